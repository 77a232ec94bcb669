package dev.dormouse.cluster;

import io.fabric8.kubernetes.api.model.ServiceAccountBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenRequest;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/** Accounts of any Kubernetes API, and kubeconfigs that speak for them. */
final class ServiceAccounts {
    private static final Duration TOKEN_LIFETIME = Duration.ofHours(12);

    private ServiceAccounts() {}

    /** Creates one, if there is none. */
    static void ensure(KubernetesClient client, String namespace, String name) {
        client.resource(new ServiceAccountBuilder().withNewMetadata()
                .withName(name)
                .withNamespace(namespace)
                .endMetadata()
                .build()).serverSideApply();
    }

    /**
     * Writes a kubeconfig for an account: the client's server, a token of twelve hours, and the account's own
     * namespace.
     */
    static Path writeKubeconfig(KubernetesClient client, String namespace, String account, Path file)
            throws IOException {
        TokenRequest request = new TokenRequestBuilder().withNewSpec()
                .withExpirationSeconds(TOKEN_LIFETIME.toSeconds())
                .endSpec()
                .build();
        String token = client.serviceAccounts()
                .inNamespace(namespace)
                .withName(account)
                .tokenRequest(request)
                .getStatus()
                .getToken();
        Config config = client.getConfiguration();
        return KubeconfigFile.write(file,
                KubeconfigFile.withToken(config.getMasterUrl(), certificateAuthority(config), token, namespace));
    }

    private static String certificateAuthority(Config config) throws IOException {
        @Nullable
        String data = config.getCaCertData();
        if (data != null) {
            return new String(Base64.getDecoder().decode(data), StandardCharsets.UTF_8);
        }
        @Nullable
        String file = config.getCaCertFile();
        return file == null ? "" : Files.readString(Path.of(file));
    }
}
