package dev.dormouse.sidecar.format;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.format.InvalidSnapshotException.Code;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * The people-readable head of a snapshot. Its chunks stand in the chunk table, first those of {@code files}, then those
 * of {@code allocations}, each cut into pieces of {@link Pack#CHUNK}.
 *
 * @param formatVersion {@link #VERSION}
 * @param id {@link #ID}
 * @param key the operator's part of the compatibility key: 64 hex digits
 * @param compatibility the engine's part
 * @param createdAt RFC 3339
 * @param packs lengths in bytes, footer included, by pack number
 * @param table length and digest of the chunk table
 */
public record Manifest(int formatVersion, String id, String key, Map<String, String> compatibility, String createdAt,
        long rawBytes, long storedBytes, List<Long> packs, Table table, List<File> files,
        List<SavedAllocation> allocations,
        List<BufferMeta> buffers) {

    public static final int VERSION = 1;
    /** Sortable by time, then random: {@code 20261121T041800123Z-1f3a…}. */
    public static final Pattern ID = Pattern.compile("[0-9]{8}T[0-9]{9}Z-[0-9a-f]{16}");
    /** Names of the file set: no folders, no surprises. */
    public static final Pattern FILE_NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}");
    public static final Pattern KEY = Pattern.compile("[0-9a-f]{64}");
    public static final int LONGEST_BUFFER_NAME = 1024;
    public static final int MOST_BUFFERS = 1 << 20;
    public static final int MOST_ALLOCATIONS = 1 << 16;
    public static final int MOST_FILES = 128;
    public static final long LARGEST_FILE = 1L << 30;
    public static final long LARGEST_ALLOCATION = 1L << 42;

    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT)
            .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    public record Table(long length, String sha256) {}

    public record File(String name, long length) {}

    public record SavedAllocation(long bytes, BufferType bufferType) {}

    public Manifest {
        compatibility = Map.copyOf(compatibility);
        packs = List.copyOf(packs);
        files = List.copyOf(files);
        allocations = List.copyOf(allocations);
        buffers = List.copyOf(buffers);
    }

    /** Pieces that {@code bytes} are cut into. */
    public static long chunksOf(long bytes) {
        return (bytes + Pack.CHUNK - 1) / Pack.CHUNK;
    }

    public ByteBuffer encode() throws IOException {
        ObjectNode envelope = JSON.createObjectNode();
        JsonNode body = JSON.valueToTree(new Sorted(this));
        envelope.set("manifest", body);
        envelope.put("crc32c", crc(body));
        return ByteBuffer.wrap(JSON.writeValueAsBytes(envelope));
    }

    /**
     * @param file for messages
     * @throws InvalidSnapshotException when the file is damaged, of another version, or describes what cannot be
     */
    public static Manifest decode(String file, byte[] bytes) throws InvalidSnapshotException {
        try {
            JsonNode envelope = JSON.readTree(bytes);
            JsonNode body = envelope.path("manifest");
            int version = body.path("formatVersion").asInt(-1);
            if (!body.isObject() || version < 0) {
                throw new InvalidSnapshotException(Code.Malformed, file + ": not a manifest");
            }
            if (version != VERSION) {
                throw new InvalidSnapshotException(Code.UnknownVersion,
                        file + ": formatVersion " + version + "; this sidecar reads " + VERSION);
            }
            if (!crc(body).equals(envelope.path("crc32c").asText())) {
                throw new InvalidSnapshotException(Code.ChecksumMismatch, file + " is damaged");
            }
            Manifest manifest = JSON.treeToValue(body, Manifest.class);
            manifest.check(file);
            return manifest;
        } catch (JacksonException e) {
            throw new InvalidSnapshotException(Code.Malformed, file + ": " + e.getOriginalMessage(), e);
        } catch (InvalidSnapshotException e) {
            throw e;
        } catch (IOException e) {
            throw new InvalidSnapshotException(Code.Malformed, file + ": " + e.getMessage(), e);
        }
    }

    private static String crc(JsonNode body) throws IOException {
        ObjectMapper compact = JSON.copy().disable(SerializationFeature.INDENT_OUTPUT);
        return HexFormat.of().toHexDigits(Checksums.crc32c(ByteBuffer.wrap(compact.writeValueAsBytes(body))));
    }

    /** The record with its map in a defined order, for a stable file. */
    private record Sorted(int formatVersion, String id, String key, TreeMap<String, String> compatibility,
            String createdAt, long rawBytes, long storedBytes, List<Long> packs, Table table, List<File> files,
            List<SavedAllocation> allocations, List<BufferMeta> buffers) {
        Sorted(Manifest m) {
            this(m.formatVersion, m.id, m.key, new TreeMap<>(m.compatibility), m.createdAt, m.rawBytes, m.storedBytes,
                    m.packs, m.table, m.files, m.allocations, m.buffers);
        }
    }

    private void check(String file) throws InvalidSnapshotException {
        require(ID.matcher(id).matches(), file, "id", id);
        require(KEY.matcher(key).matches(), file, "key", key);
        require(files.size() <= MOST_FILES, file, "files", files.size());
        require(allocations.size() <= MOST_ALLOCATIONS, file, "allocations", allocations.size());
        require(buffers.size() <= MOST_BUFFERS, file, "buffers", buffers.size());
        long raw = 0;
        long chunks = 0;
        Set<String> names = new HashSet<>();
        for (File entry : files) {
            require(FILE_NAME.matcher(entry.name).matches() && names.add(entry.name), file, "files.name", entry.name);
            require(entry.length >= 0 && entry.length <= LARGEST_FILE, file, "files.length", entry);
            raw += entry.length;
            chunks += chunksOf(entry.length);
        }
        for (SavedAllocation allocation : allocations) {
            require(allocation.bytes >= 0 && allocation.bytes <= LARGEST_ALLOCATION, file, "allocations", allocation);
            raw += allocation.bytes;
            chunks += chunksOf(allocation.bytes);
        }
        for (BufferMeta buffer : buffers) {
            require(!buffer.name().isEmpty() && buffer.name().length() <= LONGEST_BUFFER_NAME
                    && names.add(buffer.name()),
                    file, "buffers.name", buffer.name());
            require(buffer.allocation() >= 0 && buffer.allocation() < allocations.size(), file, "buffers.allocation",
                    buffer);
            long end = allocations.get(buffer.allocation()).bytes;
            require(buffer.offset() >= 0 && buffer.length() >= 0 && buffer.length() <= end - buffer.offset(), file,
                    "buffers.offset", buffer);
        }
        require(raw == rawBytes, file, "rawBytes", rawBytes + ", the parts make " + raw);
        require(table.length == 36 + 64 * chunks, file, "table.length", table.length);
        require(storedBytes >= 0 && packs.stream().allMatch(length -> length >= 2 * Pack.BLOCK), file, "packs", packs);
    }

    private static void require(boolean holds, String file, String field, Object value)
            throws InvalidSnapshotException {
        if (!holds) {
            throw new InvalidSnapshotException(Code.Malformed, file + ": impossible " + field + ": " + value);
        }
    }
}
