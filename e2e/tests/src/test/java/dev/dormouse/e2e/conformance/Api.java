package dev.dormouse.e2e.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.internal.SSLUtils;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Plain HTTP to an API server, so that a check says what goes over the wire and sees what comes back. From Kubernetes
 * libraries it takes only the reading of the kubeconfig.
 */
final class Api implements AutoCloseable {
    static final String JSON = "application/json";
    static final String YAML = "application/yaml";
    static final String MERGE = "application/merge-patch+json";
    static final String JSON_PATCH = "application/json-patch+json";
    static final String STRATEGIC = "application/strategic-merge-patch+json";
    static final String APPLY = "application/apply-patch+yaml";
    static final String PROTOBUF = "application/vnd.kubernetes.protobuf";

    static final ObjectMapper MAPPER = new ObjectMapper();
    static final YAMLMapper YAML_MAPPER = new YAMLMapper();

    /** An answer that takes longer is a hang, which no request may cause. */
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final URI server;
    private final HttpClient http;
    private final @Nullable String token;

    private Api(URI server, HttpClient http, @Nullable String token) {
        this.server = server;
        this.http = http;
        this.token = token;
    }

    static Api of(Path kubeconfig) {
        try {
            Config config = Config.fromKubeconfig(Files.readString(kubeconfig));
            SSLContext tls = SSLContext.getInstance("TLS");
            tls.init(SSLUtils.keyManagers(config), SSLUtils.trustManagers(config), null);
            HttpClient http = HttpClient.newBuilder().sslContext(tls).version(HttpClient.Version.HTTP_1_1).build();
            return new Api(URI.create(config.getMasterUrl()), http, config.getAutoOAuthToken());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the certificates in " + kubeconfig + " cannot be used", e);
        }
    }

    URI server() {
        return server;
    }

    Answer get(String path) {
        return send("GET", path, Map.of(), new byte[0]);
    }

    Answer post(String path, String json) {
        return send("POST", path, Map.of("Content-Type", JSON), json);
    }

    Answer put(String path, JsonNode json) {
        return send("PUT", path, Map.of("Content-Type", JSON), json.toString());
    }

    Answer patch(String path, String contentType, String body) {
        return send("PATCH", path, Map.of("Content-Type", contentType), body);
    }

    Answer delete(String path) {
        return send("DELETE", path, Map.of(), new byte[0]);
    }

    Answer send(String method, String path, Map<String, String> headers, String body) {
        return send(method, path, headers, body.getBytes(StandardCharsets.UTF_8));
    }

    /** @param path with its query, both encoded; a header {@code Authorization} replaces the kubeconfig's token */
    Answer send(String method, String path, Map<String, String> headers, byte[] body) {
        try {
            HttpRequest request = request(path, headers)
                    .method(method, body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body))
                    .build();
            HttpResponse<byte[]> response = http.sendAsync(request, BodyHandlers.ofByteArray())
                    .get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            String text = new String(response.body(), StandardCharsets.UTF_8);
            String type = response.headers().firstValue("Content-Type").orElse("");
            return new Answer(response.statusCode(), parse(type, text), text, response.headers());
        } catch (IOException | ExecutionException e) {
            throw new IllegalStateException(method + " " + path + ": " + e.getMessage(), e);
        } catch (TimeoutException e) {
            throw new AssertionError(method + " " + path + " hangs: no whole answer within " + PATIENCE, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static JsonNode parse(String type, String text) throws IOException {
        if (type.startsWith(JSON)) {
            return MAPPER.readTree(text);
        }
        return type.startsWith(YAML) ? YAML_MAPPER.readTree(text) : MAPPER.getNodeFactory().textNode(text);
    }

    /** Opens a watch; it has begun when this returns. */
    Watch watch(String path) {
        return watch(path, Map.of());
    }

    Watch watch(String path, Map<String, String> headers) {
        try {
            HttpResponse<InputStream> response = http.send(request(path, headers).build(),
                    BodyHandlers.ofInputStream());
            return new Watch(response.statusCode(),
                    new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8)));
        } catch (IOException e) {
            throw new UncheckedIOException(path, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private HttpRequest.Builder request(String path, Map<String, String> headers) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(server.resolve("/") + path.substring(1)));
        headers.forEach(request::header);
        if (token != null && !headers.containsKey("Authorization")) {
            request.header("Authorization", "Bearer " + token);
        }
        return request;
    }

    /** The stream of a watch: a JSON document a line. */
    record Watch(int code, BufferedReader lines) implements AutoCloseable {
        /** One event: its type and its object. */
        record Event(String type, JsonNode object) {
            String name() {
                return object.at("/metadata/name").asText();
            }

            long version() {
                return object.at("/metadata/resourceVersion").asLong();
            }

            /** For people and for comparing: {@code ADDED a}. */
            @Override
            public String toString() {
                return type + " " + name();
            }
        }

        /** Waits for the next event; null at the end of the stream. */
        @Nullable
        Event next() {
            try {
                String line = lines.readLine();
                if (line == null) {
                    return null;
                }
                JsonNode event = MAPPER.readTree(line);
                return new Event(event.path("type").asText(), event.path("object"));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Waits for as many events; fewer when the stream ends. */
        List<String> next(int count) {
            return java.util.stream.Stream.generate(this::next)
                    .limit(count)
                    .takeWhile(java.util.Objects::nonNull)
                    .map(Event::toString)
                    .toList();
        }

        @Override
        public void close() {
            try {
                lines.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
