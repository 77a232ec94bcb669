package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.DeleteOptions;
import io.fabric8.kubernetes.api.model.DeleteOptionsBuilder;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.ServiceAccountTokenProjection;
import io.fabric8.kubernetes.api.model.authentication.TokenRequest;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.net.HttpURLConnection;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/** What a node reads and writes of pods. Every write names the pod's uid: a namesake that came later is never touched. */
record PodApi(KubernetesClient client) implements Launch.ConfigSource {
    private static final int UNPROCESSABLE = 422;
    private static final PatchContext MERGE = PatchContext.of(PatchType.JSON_MERGE);

    /** Writes status and nothing else; a pod that is gone is left alone. */
    void writeStatus(Pod pod, PodStatus status) {
        ObjectMeta meta = pod.getMetadata();
        String patch = Serialization.asJson(Map.of("metadata", Map.of("uid", meta.getUid()), "status", status));
        ignoringAbsence(() -> client.pods()
                .inNamespace(meta.getNamespace())
                .withName(meta.getName())
                .subresource("status")
                .patch(MERGE, patch));
    }

    /** Removes the object once nothing of the pod is left. */
    void delete(Pod pod) {
        ObjectMeta meta = pod.getMetadata();
        DeleteOptions now = new DeleteOptionsBuilder().withGracePeriodSeconds(0L)
                .withNewPreconditions()
                .withUid(meta.getUid())
                .endPreconditions()
                .build();
        ignoringAbsence(() -> client.raw(
                "/api/v1/namespaces/" + meta.getNamespace() + "/pods/" + meta.getName(), "DELETE", now));
    }

    private static void ignoringAbsence(Runnable write) {
        try {
            write.run();
        } catch (KubernetesClientException e) {
            if (!isAbsence(e)) {
                throw e;
            }
        }
    }

    /** Gone, or another one of the same name: a patch that names the old one's uid is 409 or 422, by its kind. */
    static boolean isAbsence(KubernetesClientException e) {
        return e.getCode() == HttpURLConnection.HTTP_NOT_FOUND || e.getCode() == HttpURLConnection.HTTP_CONFLICT
                || e.getCode() == UNPROCESSABLE && String.valueOf(e.getMessage()).contains("metadata.uid");
    }

    @Override
    public Optional<Map<String, byte[]>> configMap(String namespace, String name) {
        ConfigMap found = client.configMaps().inNamespace(namespace).withName(name).get();
        if (found == null) {
            return Optional.empty();
        }
        Map<String, byte[]> data = decoded(found.getBinaryData());
        if (found.getData() != null) {
            found.getData().forEach((key, value) -> data.put(key, value.getBytes(StandardCharsets.UTF_8)));
        }
        return Optional.of(data);
    }

    @Override
    public Optional<Map<String, byte[]>> secret(String namespace, String name) {
        Secret found = client.secrets().inNamespace(namespace).withName(name).get();
        if (found == null) {
            return Optional.empty();
        }
        Map<String, byte[]> data = decoded(found.getData());
        if (found.getStringData() != null) {
            found.getStringData().forEach((key, value) -> data.put(key, value.getBytes(StandardCharsets.UTF_8)));
        }
        return Optional.of(data);
    }

    @Override
    public String token(Pod pod, ServiceAccountTokenProjection projection) {
        TokenRequest request = new TokenRequestBuilder().withNewSpec()
                .withAudiences(projection.getAudience() == null ? List.of() : List.of(projection.getAudience()))
                .withExpirationSeconds(projection.getExpirationSeconds())
                .withNewBoundObjectRef()
                .withApiVersion("v1")
                .withKind("Pod")
                .withName(pod.getMetadata().getName())
                .withUid(pod.getMetadata().getUid())
                .endBoundObjectRef()
                .endSpec()
                .build();
        return client.serviceAccounts()
                .inNamespace(pod.getMetadata().getNamespace())
                .withName(Objects.requireNonNullElse(pod.getSpec().getServiceAccountName(), "default"))
                .tokenRequest(request)
                .getStatus()
                .getToken();
    }

    /**
     * The pods that use a claim and have not ended, other than {@code pod}.
     *
     * @return none when there is no such claim
     */
    List<Pod> otherUsers(Pod pod, String claim) {
        return client.pods()
                .inNamespace(pod.getMetadata().getNamespace())
                .list()
                .getItems()
                .stream()
                .filter(other -> !other.getMetadata().getUid().equals(pod.getMetadata().getUid()))
                .filter(other -> other.getSpec().getNodeName() != null && !hasEnded(other))
                .filter(other -> other.getSpec()
                        .getVolumes()
                        .stream()
                        .anyMatch(volume -> volume.getPersistentVolumeClaim() != null
                                && volume.getPersistentVolumeClaim().getClaimName().equals(claim)))
                .toList();
    }

    private static boolean hasEnded(Pod pod) {
        String phase = pod.getStatus() == null ? "" : pod.getStatus().getPhase();
        return "Succeeded".equals(phase) || "Failed".equals(phase);
    }

    List<String> accessModes(String namespace, String claim) {
        PersistentVolumeClaim found = client.persistentVolumeClaims().inNamespace(namespace).withName(claim).get();
        return found == null ? List.of() : found.getSpec().getAccessModes();
    }

    private static Map<String, byte[]> decoded(@org.jspecify.annotations.Nullable Map<String, String> base64) {
        Map<String, byte[]> data = new TreeMap<>();
        if (base64 != null) {
            base64.forEach((key, value) -> data.put(key, Base64.getDecoder().decode(value)));
        }
        return data;
    }
}
