package dev.dormouse.sidecar.agent;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.EngineMessage.Probe;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Collections;

/** Real requests to the engine before it counts as warm (H28, H40). */
final class WarmupInference implements AutoCloseable {
    private static final String BATCH = "\"@batch\"";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final HttpRequest request;

    /** @param batchSize how often the probe's item stands in one request */
    WarmupInference(URI engine, Probe probe, int batchSize, Duration timeout) throws IOException {
        String batch = JSON.writeValueAsString(Collections.nCopies(batchSize, probe.item()));
        request = HttpRequest.newBuilder(engine.resolve(probe.path()))
                .timeout(timeout)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(probe.body().replace(BATCH, batch)))
                .build();
    }

    /**
     * One request.
     *
     * @return microseconds until the whole answer was there
     * @throws IOException when the engine answers anything but 2xx
     */
    long run() throws IOException, InterruptedException {
        long begin = System.nanoTime();
        HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        long micros = (System.nanoTime() - begin) / 1000;
        if (answer.statusCode() / 100 != 2) {
            String body = answer.body();
            throw new IOException("warmup request " + request.uri().getPath() + " was answered " + answer.statusCode()
                    + ": " + body.substring(0, Math.min(300, body.length())));
        }
        return micros;
    }

    @Override
    public void close() {
        http.shutdownNow();
    }
}
