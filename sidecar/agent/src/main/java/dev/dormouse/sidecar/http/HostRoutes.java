package dev.dormouse.sidecar.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.device.Accelerator;
import dev.dormouse.sidecar.host.Hardware;
import dev.dormouse.sidecar.host.HostFiles;
import dev.dormouse.sidecar.host.Sampler;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** {@code /hardware}, {@code /hardware.txt} and {@code /performance}: what this container runs on, and the last hour of it. */
public final class HostRoutes {
    private static final Pattern AFTER = Pattern.compile("(?:^|&)after=([0-9]{1,18})(?:&|$)");

    /** Made for the first request: a start that waits for it listens later. */
    private static final class Json {
        static final ObjectMapper MAPPER = new ObjectMapper();
    }

    private final HostFiles files;
    private final Supplier<Optional<Accelerator>> accelerator;
    private final @Nullable Sampler sampler;

    /** @param sampler absent: nothing is sampled */
    public HostRoutes(HostFiles files, Supplier<Optional<Accelerator>> accelerator, @Nullable Sampler sampler) {
        this.files = files;
        this.accelerator = accelerator;
        this.sampler = sampler;
    }

    record Answer(int code, String type, String body) {}

    /** @return absent: not a path of these */
    Optional<Answer> answer(String path, @Nullable String query) throws IOException {
        return switch (path) {
            case "/hardware" -> Optional.of(json(Hardware.of(files, accelerator.get())));
            case "/hardware.txt" -> Optional.of(new Answer(200, "text/plain",
                    Hardware.of(files, accelerator.get()).text()));
            case "/performance" -> Optional.of(performance(query == null ? "" : query));
            default -> Optional.empty();
        };
    }

    private Answer performance(String query) throws JsonProcessingException {
        if (sampler == null) {
            return new Answer(503, "text/plain", "sampling is switched off\n");
        }
        Matcher after = AFTER.matcher(query);
        boolean given = after.find();
        if (!given && query.contains("after=")) {
            return new Answer(400, "text/plain", "after is a time in microseconds since 1970, as atEpochMicros is\n");
        }
        return json(sampler.after(given ? Long.parseLong(after.group(1)) : 0));
    }

    private static Answer json(Object body) throws JsonProcessingException {
        return new Answer(200, "application/json", Json.MAPPER.writeValueAsString(body) + "\n");
    }
}
