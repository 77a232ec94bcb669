package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.cli.local.LocalOptions;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Programs that people use, unchanged, on models that sleep: OpenAI's and LangChain's clients and an independent parser of
 * server-sent events from npm, where {@code e2e/tests/openai/run} has put them; curl and wrk where the machine has them.
 */
@EnabledIf(value = "fetched", disabledReason = "the clients from npm are not here: run e2e/tests/openai/run")
class ClientsIT extends Story {
    private static final Path SCRIPTS = HOME.resolve("e2e/tests/openai");
    private static final Path FROM_NPM = HOME.resolve("target/tools/clients");
    private static final int LIMIT_SECONDS = 120;

    static boolean fetched() {
        return Files.isDirectory(FROM_NPM.resolve("node_modules/openai"));
    }

    @Override
    LocalOptions options(LocalOptions options) {
        Path chat = HOME.resolve("e2e/chat/target/app");
        return options.withImage("dormouse/engine-chat",
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:+UseSerialGC",
                        "-Xmx128m", "-cp", chat + "/*", "dev.dormouse.chat.ChatEngineMain"));
    }

    @BeforeEach
    void chatModel() {
        cluster().apply(new ByteArrayInputStream("""
                                                 apiVersion: dormouse.dev/v1alpha1
                                                 kind: InferenceModel
                                                 metadata:
                                                   name: chat
                                                 spec:
                                                   model: {uri: pvc://models/all-minilm-l6-v2}
                                                   engine:
                                                     image: dormouse/engine-chat:0.1.0
                                                     port: 8000
                                                     env:
                                                     - {name: BIND, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
                                                     - {name: CHAT_LOAD_MILLIS, value: "1500"}
                                                   snapshot: {enabled: false}
                                                   scaling: {idleSeconds: 60, initialStart: Never}
                                                   requests: {coldStart: Heartbeat, concurrencyLimit: 200}
                                                 """.getBytes(StandardCharsets.UTF_8)));
        awaitReason("chat", "ScaledToZero");
    }

    @Test
    @DisplayName("The official OpenAI client, LangChain's and an independent SSE parser: chats, streams, errors, embeddings")
    void fromNpm() throws Exception {
        assumeThat(isHere("node")).isTrue();
        cluster().apply(HOME.resolve("docs/examples/minilm.yaml"));
        await().atMost(PATIENCE).until(() -> user().models().contains("all-minilm-l6-v2"));

        assertThat(script("events.mjs", Map.of("ASLEEP", "true"))).endsWith("1 passed, 0 failed");
        assertThat(script("chat.mjs", Map.of())).endsWith("6 passed, 0 failed");
        assertThat(script("langchain.mjs", Map.of())).endsWith("3 passed, 0 failed");
        assertThat(script("check.mjs", Map.of())).endsWith("4 passed, 0 failed");
    }

    @Test
    @DisplayName("curl: a stream from a sleeping model, unbuffered; an error that its exit code tells")
    void curl() throws Exception {
        assumeThat(isHere("curl")).isTrue();
        String chat = "{\"model\":\"chat\",\"stream\":true,\"max_tokens\":6,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";

        String stream = program(
                List.of("curl", "-sSN", "--fail-with-body", "-H", "Content-Type: application/json", "-d",
                        chat, cluster().gateway() + "/v1/chat/completions"),
                Map.of(), 0);
        String unknown = program(
                List.of("curl", "-sS", "--fail-with-body", "-H", "Content-Type: application/json", "-d",
                        "{\"model\":\"nobody\"}", cluster().gateway() + "/v1/chat/completions"),
                Map.of(), 22);

        assertThat(stream).startsWith(": dormouse phase=").contains("reasoning_content").endsWith("data: [DONE]");
        assertThat(unknown).contains("model_not_found");
    }

    @Test
    @DisplayName("wrk: keep-alive connections under load, every answer a 200")
    void wrk() throws Exception {
        assumeThat(isHere("wrk")).isTrue();
        Path script = Files.createTempFile("wrk", ".lua");
        try {
            Files.writeString(script,
                    """
                    wrk.method = "POST"
                    wrk.headers["Content-Type"] = "application/json"
                    wrk.body = '{"model":"chat","max_tokens":1,"messages":[{"role":"user","content":"hello"}]}'
                    """);
            String report = program(List.of("wrk", "-t1", "-c20", "-d2s", "--timeout", "30s", "-s", script.toString(),
                    cluster().gateway() + "/v1/chat/completions"), Map.of(), 0);

            assertThat(report).contains("requests in").doesNotContain("Non-2xx").doesNotContain("Socket errors");
        } finally {
            Files.delete(script);
        }
    }

    private static boolean isHere(String program) {
        return List.of(System.getenv("PATH").split(":"))
                .stream()
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
    }

    private String script(String name, Map<String, String> environment) throws IOException, InterruptedException {
        // Beside its modules, where node looks for them.
        Files.copy(SCRIPTS.resolve(name), FROM_NPM.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        Map<String, String> more = new HashMap<>(environment);
        more.put("MODEL", "chat");
        return program(List.of("node", FROM_NPM.resolve(name).toString()), more, 0);
    }

    private String program(List<String> command, Map<String, String> environment, int exit)
            throws IOException, InterruptedException {
        Path output = Files.createTempFile("client", ".txt");
        try {
            ProcessBuilder builder = new ProcessBuilder(new ArrayList<>(command)).redirectErrorStream(true)
                    .redirectOutput(output.toFile());
            builder.environment().putAll(environment);
            builder.environment().put("GATEWAY", cluster().gateway().toString());
            Process process = builder.start();
            boolean ended = process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS);
            process.destroyForcibly();
            String text = Files.readString(output).strip();
            assertThat(ended).as(text).isTrue();
            assertThat(process.exitValue()).as(text).isEqualTo(exit);
            return text;
        } finally {
            Files.delete(output);
        }
    }
}
