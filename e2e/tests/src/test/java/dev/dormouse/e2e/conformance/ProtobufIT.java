package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import io.kubernetes.client.proto.IntStr.IntOrString;
import io.kubernetes.client.proto.Meta.ObjectMeta;
import io.kubernetes.client.proto.Meta.Time;
import io.kubernetes.client.proto.Resource.Quantity;
import io.kubernetes.client.proto.Runtime.TypeMeta;
import io.kubernetes.client.proto.Runtime.Unknown;
import io.kubernetes.client.proto.V1;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Bodies as kubectl (create, run, expose) and Helm send them:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
@ExtendWith(TestCluster.Extension.class)
class ProtobufIT {
    private final Api api;
    private final String core;

    ProtobufIT(TestCluster cluster) {
        this.api = cluster.api();
        this.core = "/api/v1/namespaces/" + cluster.newNamespace();
    }

    private Answer post(String resource, String kind, Message message) throws Exception {
        Unknown envelope = Unknown.newBuilder()
                .setTypeMeta(TypeMeta.newBuilder().setApiVersion("v1").setKind(kind))
                .setRaw(message.toByteString())
                .build();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        body.write(new byte[]{'k', '8', 's', 0});
        envelope.writeTo(body);
        return api.send("POST", core + "/" + resource, Map.of("Content-Type", Api.PROTOBUF, "Accept", Api.JSON),
                body.toByteArray());
    }

    private static ObjectMeta.Builder named(String name) {
        return ObjectMeta.newBuilder().setName(name).putLabels("app", "a");
    }

    @Test
    void aConfigMapKeepsTextAndBytes() throws Exception {
        Answer created = post("configmaps", "ConfigMap", V1.ConfigMap.newBuilder()
                .setMetadata(named("a"))
                .putData("k", "v")
                .putBinaryData("b", ByteString.copyFrom(new byte[]{0, 1, 2}))
                .build());

        assertThat(created.code()).as(created.toString()).isEqualTo(201);
        assertThat(created.at("/data/k").asText()).isEqualTo("v");
        assertThat(created.at("/binaryData/b").asText()).isEqualTo("AAEC");
        assertThat(created.at("/metadata/labels/app").asText()).isEqualTo("a");
        assertThat(created.at("/metadata/uid").asText()).isNotEmpty();
    }

    @Test
    void aSecretOfAHelmReleaseKeepsItsBytes() throws Exception {
        String release = "H4sIAAAA".repeat(20_000);
        Answer created = post("secrets", "Secret", V1.Secret.newBuilder()
                .setMetadata(named("sh.helm.release.v1.a.v1"))
                .setType("helm.sh/release.v1")
                .putData("release", ByteString.copyFromUtf8(release))
                .build());

        assertThat(created.code()).as(created.toString()).isEqualTo(201);
        assertThat(created.at("/type").asText()).isEqualTo("helm.sh/release.v1");
        byte[] stored = java.util.Base64.getDecoder().decode(created.at("/data/release").asText());
        assertThat(new String(stored, StandardCharsets.UTF_8)).isEqualTo(release);
    }

    @Test
    void aPodKeepsQuantitiesPortsVolumesAndProbes() throws Exception {
        Answer created = post("pods", "Pod", V1.Pod.newBuilder()
                .setMetadata(named("a"))
                .setSpec(V1.PodSpec.newBuilder()
                        .setSchedulerName("nobody")
                        .addVolumes(V1.Volume.newBuilder()
                                .setName("v")
                                .setVolumeSource(V1.VolumeSource.newBuilder()
                                        .setConfigMap(V1.ConfigMapVolumeSource.newBuilder()
                                                .setLocalObjectReference(
                                                        V1.LocalObjectReference.newBuilder().setName("m")))))
                        .addContainers(V1.Container.newBuilder()
                                .setName("main")
                                .setImage("main:1")
                                .addCommand("run")
                                .addVolumeMounts(V1.VolumeMount.newBuilder().setName("v").setMountPath("/v"))
                                .setResources(V1.ResourceRequirements.newBuilder()
                                        .putRequests("cpu", Quantity.newBuilder().setString("250m").build()))
                                .setReadinessProbe(V1.Probe.newBuilder()
                                        .setHandler(V1.ProbeHandler.newBuilder()
                                                .setHttpGet(V1.HTTPGetAction.newBuilder()
                                                        .setPath("/ready")
                                                        .setPort(IntOrString.newBuilder()
                                                                .setType(1)
                                                                .setStrVal("http")))))))
                .build());

        assertThat(created.code()).as(created.toString()).isEqualTo(201);
        assertThat(created.at("/spec/volumes/0/configMap/name").asText()).isEqualTo("m");
        assertThat(created.at("/spec/containers/0/resources/requests/cpu").asText()).isEqualTo("250m");
        assertThat(created.at("/spec/containers/0/readinessProbe/httpGet/port").asText()).isEqualTo("http");
        assertThat(created.at("/spec/containers/0/command/0").asText()).isEqualTo("run");
    }

    @Test
    void aServiceKeepsNumbersAndTimes() throws Exception {
        Answer created = post("services", "Service", V1.Service.newBuilder()
                .setMetadata(named("a").setCreationTimestamp(Time.newBuilder().setSeconds(0)))
                .setSpec(V1.ServiceSpec.newBuilder()
                        .setClusterIP("None")
                        .putSelector("app", "a")
                        .addPorts(V1.ServicePort.newBuilder()
                                .setPort(80)
                                .setTargetPort(IntOrString.newBuilder().setType(0).setIntVal(8080))))
                .build());

        assertThat(created.code()).as(created.toString()).isEqualTo(201);
        assertThat(created.at("/spec/ports/0/targetPort").isInt()).isTrue();
        assertThat(created.at("/spec/ports/0/targetPort").asInt()).isEqualTo(8080);
        assertThat(created.at("/metadata/creationTimestamp").asText()).startsWith("20");
    }

    @Test
    void aBodyOfAnotherKindIsRefused() throws Exception {
        Answer refused = post("configmaps", "Secret", V1.Secret.newBuilder().setMetadata(named("a")).build());

        assertThat(refused.code()).isEqualTo(400);
        assertThat(refused.at("/kind").asText()).isEqualTo("Status");
    }

    @Test
    void rulesHoldForProtobufToo() throws Exception {
        assertThat(post("configmaps", "ConfigMap", V1.ConfigMap.newBuilder().setMetadata(named("Not_Valid")).build())
                .code()).isEqualTo(422);
        assertThat(post("pods", "Pod", V1.Pod.newBuilder().setMetadata(named("a")).build()).code()).isEqualTo(422);
    }
}
