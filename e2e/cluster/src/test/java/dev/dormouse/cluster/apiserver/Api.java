package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.EmbeddedControlPlane;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A server of its own with a plain HTTP client: tests say what goes over the wire and see what comes back. */
final class Api implements AutoCloseable {
    static final String JSON = "application/json";
    static final String MERGE = "application/merge-patch+json";
    static final String JSON_PATCH = "application/json-patch+json";
    static final String STRATEGIC = "application/strategic-merge-patch+json";
    static final String APPLY = "application/apply-patch+yaml";
    static final String MODELS = "/apis/dormouse.dev/v1alpha1/namespaces/default/inferencemodels";
    static final String PODS = "/api/v1/namespaces/default/pods";
    static final String CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
    /** Without the one that every namespace has. */
    static final String OURS = "fieldSelector=metadata.name!%3Dkube-root-ca.crt";

    private final EmbeddedControlPlane controlPlane;
    private final HttpClient http;
    private final String token;

    /** @param warnings the texts of the Warning headers */
    record Answer(int code, JsonNode body, String contentType, List<String> warnings) {
        JsonNode at(String pointer) {
            return body.at(pointer);
        }

        String reason() {
            return body.path("reason").asText();
        }

        String message() {
            return body.path("message").asText();
        }

        String version() {
            return at("/metadata/resourceVersion").asText();
        }
    }

    Api(Path folder) {
        this(folder, 0);
    }

    Api(Path folder, int port) {
        controlPlane = EmbeddedControlPlane.start(folder, port);
        JsonNode kubeconfig = yaml(folder.resolve("kubeconfig"));
        token = kubeconfig.at("/users/0/user/token").asText();
        http = HttpClient.newBuilder()
                .sslContext(trusting(kubeconfig.at("/clusters/0/cluster/certificate-authority-data").asText()))
                .build();
    }

    /** Also serves InferenceModels, from the YAML that users install. */
    static Api withModels(Path folder) {
        Api api = new Api(folder);
        api.controlPlane.apply(crd());
        return api;
    }

    static String crd() {
        try (InputStream in = Api.class.getResourceAsStream("/crds/inferencemodels.dormouse.dev.yaml")) {
            return new String(java.util.Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String model(String name, String moreSpec) {
        return """
               {"apiVersion": "dormouse.dev/v1alpha1", "kind": "InferenceModel", "metadata": {"name": "%s"},
                "spec": {"model": {"uri": "pvc://models/a"}, "engine": {"image": "engine:1"}%s}}"""
                .formatted(name, moreSpec);
    }

    static String configMap(String name, String data) {
        return """
               {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s"}, "data": {%s}}""".formatted(name,
                data);
    }

    static String pod(String name, String moreSpec) {
        return """
               {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s"},
                "spec": {"containers": [{"name": "main", "image": "main:1"}]%s}}""".formatted(name, moreSpec);
    }

    EmbeddedControlPlane controlPlane() {
        return controlPlane;
    }

    Answer get(String path) {
        return send("GET", path, JSON, "");
    }

    Answer post(String path, String body) {
        return send("POST", path, JSON, body);
    }

    Answer put(String path, String body) {
        return send("PUT", path, JSON, body);
    }

    Answer patch(String path, String type, String body) {
        return send("PATCH", path, type, body);
    }

    Answer apply(String path, String manager, String yaml) {
        return send("PATCH", path + "?fieldManager=" + manager, APPLY, yaml);
    }

    Answer delete(String path) {
        return send("DELETE", path, JSON, "");
    }

    Answer delete(String path, String options) {
        return send("DELETE", path, JSON, options);
    }

    Answer send(String method, String path, String contentType, String body) {
        return send(
                request(path, token).method(method, BodyPublishers.ofString(body)).header("Content-Type", contentType));
    }

    Answer getAccepting(String path, String accept) {
        return send(request(path, token).header("Accept", accept));
    }

    Answer postAccepting(String path, String body, String accept) {
        return send(request(path, token).POST(BodyPublishers.ofString(body)).header("Accept", accept));
    }

    Answer getAs(String path, String otherToken) {
        return send(request(path, otherToken));
    }

    Answer sendAs(String otherToken, String method, String path, String contentType, String body) {
        return send(request(path, otherToken).method(method, BodyPublishers.ofString(body))
                .header("Content-Type", contentType));
    }

    /** As the administrator acting as somebody else. */
    Answer getImpersonating(String user, String path) {
        return send(request(path, token).header("Impersonate-User", user));
    }

    private Answer send(HttpRequest.Builder request) {
        try {
            HttpResponse<byte[]> response = http.send(request.build(), BodyHandlers.ofByteArray());
            String type = response.headers().firstValue("Content-Type").orElse("");
            JsonNode body = type.startsWith("application/json")
                    ? Json.MAPPER.readTree(response.body())
                    : Json.MAPPER.getNodeFactory().textNode(new String(response.body(), StandardCharsets.UTF_8));
            return new Answer(response.statusCode(), body, type, response.headers().allValues("Warning"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Opens a stream of lines; reading waits for the next one. */
    BufferedReader stream(String path, String accept) {
        try {
            HttpResponse<InputStream> response = http.send(request(path, token).header("Accept", accept).build(),
                    BodyHandlers.ofInputStream());
            return new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    BufferedReader watch(String path) {
        return stream(path, JSON);
    }

    /** Waits for the next event of a watch; null at its end. */
    static JsonNode next(BufferedReader watch) throws IOException {
        String line = watch.readLine();
        return line == null ? Json.MAPPER.missingNode() : Json.MAPPER.readTree(line);
    }

    private HttpRequest.Builder request(String path, String bearer) {
        return HttpRequest.newBuilder(URI.create(controlPlane.apiUrl() + path))
                .header("Authorization", "Bearer " + bearer);
    }

    private static JsonNode yaml(Path file) {
        try {
            return Json.parse(java.nio.file.Files.readAllBytes(file), true);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static SSLContext trusting(String base64Pem) {
        try {
            byte[] pem = Base64.getDecoder().decode(base64Pem);
            var certificate = CertificateFactory.getInstance("X.509")
                    .generateCertificate(new java.io.ByteArrayInputStream(pem));
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setCertificateEntry("server", certificate);
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        http.shutdownNow();
        controlPlane.close();
    }
}
