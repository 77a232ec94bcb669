package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import dev.dormouse.sidecar.api.EngineMessage.Probe;
import java.util.Collections;

/**
 * A real request to the engine, as large as the model's users said (H6, H67): where the probe's body says
 * {@code "@batch"}, the item stands {@code batchSize} times in an array.
 */
record WarmupRequest(String path, byte[] body) {
    private static final String PLACE = "\"@batch\"";
    private static final int MAX_BODY = 16 << 20;
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    static WarmupRequest of(Probe probe, int batchSize) throws RefusedException {
        if (probe.path() == null || probe.body() == null || !probe.path().startsWith("/")
                || probe.path().chars().anyMatch(c -> c <= ' ' || c >= 127)) {
            throw new RefusedException("BadProbe", "A probe needs a body and a path that begins with /");
        }
        String body = probe.body();
        if (body.contains(PLACE)) {
            String item = asJson(probe.item());
            if ((long) item.length() * batchSize > MAX_BODY) {
                throw new RefusedException("BadProbe", "A warmup request of " + batchSize + " items is larger than "
                        + MAX_BODY + " bytes");
            }
            body = body.replace(PLACE, "[" + String.join(",", Collections.nCopies(batchSize, item)) + "]");
        }
        return new WarmupRequest(probe.path(), body.getBytes(UTF_8));
    }

    /** An item is JSON; one that is not is meant as plain text. */
    private static String asJson(String item) throws RefusedException {
        if (item == null) {
            throw new RefusedException("BadProbe", "The probe's body says @batch but there is no item");
        }
        try {
            JSON.readTree(item);
            return item.isBlank() ? "\"\"" : item;
        } catch (JsonProcessingException e) {
            return new TextNode(item).toString();
        }
    }
}
