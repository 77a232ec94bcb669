package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The real kubectl, where there is one on the PATH. */
class KubectlTest {
    @TempDir
    private Path folder;
    private Api api;
    private Path model;

    private record Run(int exit, String output) {}

    @BeforeAll
    static void findKubectl() {
        boolean found = Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
                .anyMatch(path -> Files.isExecutable(Path.of(path, "kubectl")));
        assumeTrue(found, "no kubectl on the PATH");
    }

    @BeforeEach
    void start() throws IOException {
        api = new Api(folder.resolve("state"));
        model = write("model.yaml", """
                                    apiVersion: dormouse.dev/v1alpha1
                                    kind: InferenceModel
                                    metadata: {name: minilm}
                                    spec:
                                      model: {uri: 'pvc://models/minilm'}
                                      engine: {image: 'engine:1'}
                                    """);
        ok("apply", "-f", write("crd.yaml", Api.crd()).toString());
        ok("wait", "--for=condition=Established", "crd/inferencemodels.dormouse.dev", "--timeout=10s");
    }

    @AfterEach
    void stop() {
        api.close();
    }

    @Test
    void aResourceIsAppliedChangedAndDeletedFromTheClientSide() throws IOException {
        assertThat(ok("apply", "-f", model.toString())).contains("inferencemodel.dormouse.dev/minilm created");
        assertThat(ok("apply", "-f", model.toString())).contains("unchanged");
        Files.writeString(model, Files.readString(model).replace("engine:1", "engine:2"));
        assertThat(ok("diff", 1, "-f", model.toString())).contains("+    image: engine:2");
        assertThat(ok("apply", "-f", model.toString())).contains("configured");

        ok("label", "im", "minilm", "team=search");
        ok("annotate", "im", "minilm", "note=x");
        ok("scale", "im/minilm", "--replicas=2");
        ok("patch", "im", "minilm", "--type=merge", "-p", "{\"spec\": {\"scaling\": {\"maxReplicas\": 3}}}");
        ok("patch", "im", "minilm", "--type=json", "-p",
                "[{\"op\": \"add\", \"path\": \"/metadata/labels/tier\", \"value\": \"gold\"}]");
        assertThat(ok("get", "im", "minilm", "-o",
                "jsonpath={.spec.engine.image} {.spec.replicas} {.spec.scaling.maxReplicas} {.metadata.labels.tier}"))
                .isEqualTo("engine:2 2 3 gold");
        assertThat(ok("get", "inferencemodels", "-l", "team=search", "-o", "name")).contains("minilm");
        assertThat(ok("delete", "im", "minilm")).contains("deleted");
        assertThat(run("get", "im", "minilm").output()).contains("NotFound");
    }

    @Test
    void aResourceIsAppliedFromTheServerSide() throws IOException {
        assertThat(ok("apply", "--server-side", "-f", folder.resolve("crd.yaml").toString(), "--force-conflicts"))
                .contains("serverside-applied");
        ok("apply", "--server-side", "-f", model.toString());
        Path other = write("other.yaml", Files.readString(model).replace("engine:1", "engine:2"));

        Run conflict = run("apply", "--server-side", "--field-manager=other", "-f", other.toString());
        assertThat(conflict.exit()).isEqualTo(1);
        assertThat(conflict.output()).contains("conflict with \"kubectl\": .spec.engine.image");
        ok("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", other.toString());

        assertThat(ok("get", "im", "minilm", "-o", "yaml", "--show-managed-fields")).contains("manager: other");
        assertThat(ok("apply", "-f", other.toString())).as("from server side to client side").contains("configured");
        assertThat(ok("apply", "--server-side", "-f", other.toString(), "--force-conflicts"))
                .as("and back, which rewrites managedFields")
                .contains("serverside-applied");
    }

    @Test
    void mistakesAreExplained() throws IOException {
        String yaml = Files.readString(model);
        Path typo = write("typo.yaml", yaml + "  replcas: 1\n");
        Path rule = write("rule.yaml", yaml + "  scaling: {minReplicas: 3}\n");
        Path kind = write("kind.yaml", yaml.replace("uri: 'pvc", "uri: 'no-scheme, '"));

        assertThat(run("apply", "-f", typo.toString()).output())
                .contains("strict decoding error: unknown field \"spec.replcas\"");
        assertThat(ok("apply", "--validate=warn", "-f", typo.toString()))
                .contains("Warning: unknown field \"spec.replcas\"");
        assertThat(run("apply", "-f", rule.toString()).output())
                .contains("The InferenceModel \"minilm\" is invalid: spec.scaling:")
                .contains("scaling.minReplicas must not exceed scaling.maxReplicas");
        assertThat(run("apply", "-f", kind.toString()).exit()).isEqualTo(1);
    }

    /** kubectl's typed commands send protobuf, and nothing else. */
    @Test
    void objectsAreCreatedFromTheCommandLine() {
        ok("create", "namespace", "team");
        ok("create", "configmap", "c", "--from-literal=a=b", "-n", "team");
        ok("create", "secret", "generic", "s", "--from-literal=key=value", "-n", "team");
        ok("create", "deployment", "d", "--image=web:1", "--replicas=2", "--port=80", "-n", "team");
        ok("create", "clusterrole", "reader", "--verb=get,list", "--resource=pods");
        ok("create", "rolebinding", "read", "--clusterrole=reader", "--user=jane", "-n", "team");
        ok("run", "p", "--image=main:1", "--labels=app=p", "-n", "team");
        ok("expose", "pod", "p", "--port=8000", "-n", "team");

        assertThat(ok("get", "configmap", "c", "-n", "team", "-o", "jsonpath={.data.a}")).isEqualTo("b");
        assertThat(ok("get", "secret", "s", "-n", "team", "-o", "jsonpath={.data.key} {.type}"))
                .isEqualTo("dmFsdWU= Opaque");
        assertThat(ok("get", "deploy", "d", "-n", "team", "-o",
                "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image} {.spec.selector.matchLabels.app}"))
                .isEqualTo("2 web:1 d");
        assertThat(ok("get", "service", "p", "-n", "team", "-o", "jsonpath={.spec.ports[0].port} {.spec.selector.app}"))
                .isEqualTo("8000 p");
        ok("delete", "namespace", "team");
        assertThat(run("get", "namespace", "team").output()).contains("NotFound");
    }

    @Test
    void whatHappensCanBeFollowed() throws Exception {
        ok("apply", "-f", model.toString());
        Process watch = start("get", "im", "-w");
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(watch.getInputStream(), StandardCharsets.UTF_8))) {
            assertThat(lines.readLine()).startsWith("NAME").contains("READY", "REASON", "REPLICAS", "RUNG", "AGE");
            assertThat(lines.readLine()).startsWith("minilm");
            ok("patch", "im", "minilm", "--subresource=status", "--type=merge", "-p",
                    """
                    {"status": {"rung": "Cold", "conditions": [{"type": "Ready", "status": "True", "reason": "ScaledToZero"}]}}""");
            assertThat(lines.readLine()).startsWith("minilm").contains("True", "ScaledToZero", "Cold");
        } finally {
            watch.destroy();
            watch.waitFor();
        }
        ok("wait", "--for=condition=Ready", "im/minilm", "--timeout=10s");
        ok("wait", "--for=jsonpath={.status.rung}=Cold", "im/minilm", "--timeout=10s");
        ok("apply", "-f",
                write("event.yaml",
                        """
                        apiVersion: v1
                        kind: Event
                        metadata: {name: e1, namespace: default}
                        involvedObject: {apiVersion: dormouse.dev/v1alpha1, kind: InferenceModel, name: minilm, namespace: default, uid: %s}
                        reason: Woken
                        message: it woke
                        type: Normal
                        lastTimestamp: '2026-01-01T00:00:00Z'
                        """.formatted(
                                ok("get", "im", "minilm", "-o", "jsonpath={.metadata.uid}")))
                        .toString());
        assertThat(ok("describe", "im", "minilm")).contains("Reason:", "ScaledToZero", "Woken", "it woke");
        assertThat(ok("get", "events")).contains("inferencemodel/minilm");
        Process gone = start("wait", "--for=delete", "im/minilm", "--timeout=20s");
        ok("delete", "im", "minilm");
        assertThat(gone.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(gone.exitValue()).isZero();
    }

    @Test
    void builtInKindsAreHandledToo() throws IOException {
        Path pod = write("pod.yaml",
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: p, labels: {app: p}}
                spec:
                  containers:
                  - {name: main, image: 'main:1', ports: [{containerPort: 80}], env: [{name: A, value: '1'}]}
                ---
                apiVersion: v1
                kind: Service
                metadata: {name: s}
                spec: {selector: {app: p}, ports: [{port: 80}]}
                ---
                {apiVersion: v1, kind: Namespace, metadata: {name: other}}
                ---
                {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
                """);
        ok("apply", "-f", pod.toString());
        assertThat(ok("apply", "-f", pod.toString())).contains("pod/p unchanged", "service/s unchanged");
        Files.writeString(pod, Files.readString(pod).replace("main:1", "main:2"));
        assertThat(ok("apply", "-f", pod.toString())).as("a strategic merge patch").contains("pod/p configured");
        ok("apply", "--server-side", "--force-conflicts", "-f", pod.toString());

        assertThat(ok("get", "pods", "-o", "wide")).contains("0/1", "Pending");
        assertThat(ok("describe", "pod", "p")).contains("main:2");
        assertThat(ok("get", "pvc")).contains("RWO");
        assertThat(ok("explain", "inferencemodels.spec.scaling.idleSeconds")).contains("Seconds without a request");
        assertThat(ok("api-resources")).contains("inferencemodels", "im");
        assertThat(ok("version")).contains("+embedded");
        ok("delete", "-f", pod.toString());
        assertThat(run("exec", "p", "--", "ls").exit()).isEqualTo(1);
    }

    private String ok(String... arguments) {
        return ok(arguments[0], 0, Arrays.copyOfRange(arguments, 1, arguments.length));
    }

    private String ok(String command, int exit, String... arguments) {
        List<String> all = new ArrayList<>(List.of(command));
        all.addAll(List.of(arguments));
        Run run = run(all.toArray(String[]::new));
        assertThat(run.exit()).as("kubectl %s: %s", all, run.output()).isEqualTo(exit);
        return run.output();
    }

    private Run run(String... arguments) {
        try {
            Process process = start(arguments);
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return new Run(process.waitFor(), output);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private Process start(String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("kubectl", "--request-timeout=60s", "--kubeconfig",
                api.controlPlane().kubeconfig().toString(), "--cache-dir", folder.resolve("cache").toString()));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    private Path write(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content);
    }
}
