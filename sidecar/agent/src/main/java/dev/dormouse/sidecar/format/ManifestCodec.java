package dev.dormouse.sidecar.format;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.deser.std.StdScalarDeserializer;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.StdScalarSerializer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * {@code manifest.json}: indented JSON for people whose last entry, {@code "check"}, is the CRC32C of every byte before
 * it. The check covers the very bytes of the file: whoever edits or reformats a manifest makes it invalid (S50). All
 * versions of the format keep the check line, so that a reader can tell "damaged" from "newer than I am".
 */
public final class ManifestCodec {
    private static final String CLOSING = "\n}";
    private static final String CHECK = ",\n  \"check\" : \"crc32c:%08x\"\n}\n";
    private static final int CHECK_BYTES = CHECK.formatted(0).length();

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NUMBERS_FOR_ENUMS)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
            .addModule(new SimpleModule().addSerializer(new InstantWriter())
                    .addDeserializer(Instant.class, new InstantReader()))
            .build();
    private static final ObjectWriter PRETTY = JSON.writer(prettyPrinter());

    private ManifestCodec() {}

    /** @throws IllegalArgumentException when it is longer than {@link SnapshotFormat#MAX_MANIFEST_BYTES} */
    public static byte[] write(Manifest manifest) {
        try {
            String json = PRETTY.writeValueAsString(manifest);
            byte[] head = json.substring(0, json.length() - CLOSING.length()).getBytes(StandardCharsets.UTF_8);
            var out = new ByteArrayOutputStream(head.length + CHECK_BYTES);
            out.writeBytes(head);
            out.writeBytes(checkOf(head, head.length));
            if (out.size() > SnapshotFormat.MAX_MANIFEST_BYTES) {
                throw new IllegalArgumentException("the manifest takes " + out.size() + " bytes; at most "
                        + SnapshotFormat.MAX_MANIFEST_BYTES);
            }
            return out.toByteArray();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a manifest is plain data", e);
        }
    }

    /**
     * @param file how messages call the bytes
     * @param id the snapshot that these bytes must describe
     */
    public static Manifest read(String file, String id, byte[] bytes) throws InvalidSnapshotException {
        try {
            Manifest manifest = parse(bytes);
            if (!manifest.id().equals(id)) {
                throw new InvalidSnapshotException(Fault.InvalidManifest, "id: is " + manifest.id() + ", not " + id);
            }
            ManifestRules.check(manifest);
            return manifest;
        } catch (InvalidSnapshotException e) {
            throw new InvalidSnapshotException(e.fault(), file + ": " + e.getMessage(), e);
        }
    }

    private static Manifest parse(byte[] bytes) throws InvalidSnapshotException {
        int headLength = bytes.length - CHECK_BYTES;
        if (headLength <= 0 || !Arrays.equals(checkOf(bytes, headLength), 0, CHECK_BYTES, bytes, headLength,
                bytes.length)) {
            throw new InvalidSnapshotException(Fault.InvalidManifest,
                    "check: the " + bytes.length + " bytes are not those that were written");
        }
        String json = new String(bytes, 0, headLength, StandardCharsets.UTF_8) + CLOSING;
        try {
            JsonNode tree = JSON.readTree(json);
            if (!SnapshotFormat.NAME.equals(tree.path("format").asText())) {
                throw new InvalidSnapshotException(Fault.InvalidManifest,
                        "format: '" + tree.path("format").asText() + "' is not " + SnapshotFormat.NAME);
            }
            if (tree.path("formatVersion").asInt() != SnapshotFormat.VERSION) {
                throw new InvalidSnapshotException(Fault.UnknownVersion, "formatVersion: " + tree.path("formatVersion")
                        + "; this sidecar reads version " + SnapshotFormat.VERSION);
            }
            return JSON.treeToValue(tree, Manifest.class);
        } catch (JsonProcessingException e) {
            throw new InvalidSnapshotException(Fault.InvalidManifest, e.getOriginalMessage(), e);
        }
    }

    private static byte[] checkOf(byte[] head, int length) {
        var crc = new CRC32C();
        crc.update(head, 0, length);
        return CHECK.formatted((int) crc.getValue()).getBytes(StandardCharsets.US_ASCII);
    }

    private static DefaultPrettyPrinter prettyPrinter() {
        var indent = new DefaultIndenter("  ", "\n");
        return new DefaultPrettyPrinter().withObjectIndenter(indent).withArrayIndenter(indent);
    }

    private static final class InstantWriter extends StdScalarSerializer<Instant> {
        private static final long serialVersionUID = 1L;

        InstantWriter() {
            super(Instant.class);
        }

        @Override
        public void serialize(Instant value, JsonGenerator out, SerializerProvider provider) throws IOException {
            out.writeString(value.toString());
        }
    }

    private static final class InstantReader extends StdScalarDeserializer<Instant> {
        private static final long serialVersionUID = 1L;

        InstantReader() {
            super(Instant.class);
        }

        @Override
        public Instant deserialize(JsonParser in, DeserializationContext context) throws IOException {
            try {
                return Instant.parse(in.getText());
            } catch (DateTimeException e) {
                return (Instant) context.handleWeirdStringValue(Instant.class, in.getText(), "no RFC 3339 time");
            }
        }
    }
}
