package dev.dormouse.sidecar.transport;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.sidecar.api.EngineMessage;
import java.io.IOException;

/** JSON of {@link EngineMessage}s. A field that a newer peer adds is ignored. */
final class MessageCodec {
    private static final ObjectMapper JSON = JsonMapper.builder()
            .disable(
                    DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();

    private MessageCodec() {}

    static byte[] encode(EngineMessage message) throws IOException {
        return JSON.writerFor(EngineMessage.class).writeValueAsBytes(message);
    }

    static EngineMessage decode(byte[] body) throws IOException {
        EngineMessage message;
        try {
            message = JSON.readValue(body, EngineMessage.class);
        } catch (JsonProcessingException e) {
            throw new ProtocolException("Not a message of the protocol: " + e.getOriginalMessage(), e);
        }
        if (message == null) {
            throw new ProtocolException("Not a message of the protocol: null");
        }
        return message;
    }

    static String name(EngineMessage message) {
        return message.getClass().getSimpleName();
    }

    static int announcedDescriptors(EngineMessage message) {
        return switch (message) {
            case EngineMessage.Allocated allocated -> allocated.fds();
            case EngineMessage.Attached attached -> attached.fds();
            case EngineMessage.PutFile file -> file.fds();
            case EngineMessage.Ring ring -> ring.fds();
            case EngineMessage.Fetch fetch -> fetch.fds();
            default -> 0;
        };
    }
}
