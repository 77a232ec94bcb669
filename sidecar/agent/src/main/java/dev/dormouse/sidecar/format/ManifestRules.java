package dev.dormouse.sidecar.format;

import static dev.dormouse.sidecar.format.SnapshotFormat.ALIGNMENT;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.format.Manifest.AllocationEntry;
import dev.dormouse.sidecar.format.Manifest.FileEntry;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What may stand in a manifest. Engines and volumes are not trusted: nothing is used before it passed here. */
public final class ManifestRules {
    private ManifestRules() {}

    /** @throws InvalidSnapshotException naming the first field that breaks a rule */
    public static void check(Manifest manifest) throws InvalidSnapshotException {
        require(SnapshotId.valid(manifest.id()), "id", "'%s' is no snapshot id", manifest.id());
        checkKey(manifest.key());
        checkCompatibility(manifest.compatibility());
        checkChunkBytes(manifest.chunkBytes());
        checkContent(manifest.allocations(), manifest.buffers(), manifest.files());
        checkPacks(manifest.packs());
        ChunkLayout layout = layout(manifest);
        require(layout.totalBytes() == manifest.rawBytes(), "rawBytes", "is %d, files and allocations hold %d",
                manifest.rawBytes(), layout.totalBytes());
        int chunks = layout.chunks();
        require(chunks <= SnapshotFormat.MAX_CHUNKS, "chunkBytes", "%d make %d chunks; at most %d",
                manifest.chunkBytes(),
                chunks, SnapshotFormat.MAX_CHUNKS);
        require(manifest.chunkTable().chunks() == chunks, "chunkTable.chunks", "is %d, the content has %d",
                manifest.chunkTable().chunks(), chunks);
        require(manifest.chunkTable().bytes() == ChunkTable.bytesFor(chunks), "chunkTable.bytes",
                "is %d, %d chunks take %d", manifest.chunkTable().bytes(), chunks, ChunkTable.bytesFor(chunks));
        checkDataKey(manifest.dataKey());
        long most = manifest.rawBytes() + (manifest.encrypted() ? (long) chunks * SnapshotFormat.ENCRYPTION_BYTES : 0);
        require(manifest.storedBytes() >= 0 && manifest.storedBytes() <= most, "storedBytes",
                "%d is not between 0 and %d", manifest.storedBytes(), most);
    }

    public static void checkKey(String key) throws InvalidSnapshotException {
        require(SnapshotFormat.KEY.matcher(key).matches(), "key",
                "'%s' is not 1 to 128 letters, digits, dots, dashes or underscores", key);
    }

    private static void checkDataKey(String dataKey) throws InvalidSnapshotException {
        require(SnapshotFormat.DATA_KEY.matcher(dataKey).matches(), "dataKey",
                "'%s' is neither 16 hex digits nor 'none'", dataKey);
    }

    /** The engine's part of the key. */
    public static void checkCompatibility(Map<String, String> compatibility) throws InvalidSnapshotException {
        require(compatibility.size() <= SnapshotFormat.MAX_COMPATIBILITY_ENTRIES, "compatibility",
                "%d entries; at most %d", compatibility.size(), SnapshotFormat.MAX_COMPATIBILITY_ENTRIES);
        for (var entry : compatibility.entrySet()) {
            require(!entry.getKey().isBlank()
                    && entry.getKey().length() + entry.getValue().length() <= SnapshotFormat.MAX_COMPATIBILITY_CHARS,
                    "compatibility", "an entry is blank or longer than %d",
                    SnapshotFormat.MAX_COMPATIBILITY_CHARS);
        }
    }

    public static void checkChunkBytes(int chunkBytes) throws InvalidSnapshotException {
        require(chunkBytes >= SnapshotFormat.MIN_CHUNK_BYTES && chunkBytes <= SnapshotFormat.MAX_CHUNK_BYTES
                && Integer.bitCount(chunkBytes) == 1, "chunkBytes", "%d is no power of two from %d to %d", chunkBytes,
                SnapshotFormat.MIN_CHUNK_BYTES, SnapshotFormat.MAX_CHUNK_BYTES);
    }

    /**
     * Buffers lie inside their allocations, have their type, and no two things share a name; gaps and shared bytes
     * between buffers are the engine's business (tied weights are one range with two names).
     */
    public static void checkContent(List<AllocationEntry> allocations, List<BufferMeta> buffers, List<FileEntry> files)
            throws InvalidSnapshotException {
        require(allocations.size() <= SnapshotFormat.MAX_ALLOCATIONS, "allocations", "%d entries; at most %d",
                allocations.size(), SnapshotFormat.MAX_ALLOCATIONS);
        require(buffers.size() <= SnapshotFormat.MAX_BUFFERS, "buffers", "%d entries; at most %d", buffers.size(),
                SnapshotFormat.MAX_BUFFERS);
        require(files.size() <= SnapshotFormat.MAX_FILES, "files", "%d entries; at most %d", files.size(),
                SnapshotFormat.MAX_FILES);
        for (int i = 0; i < allocations.size(); i++) {
            require(allocations.get(i).bytes() > 0, "allocations[" + i + "].bytes", "%d is not above 0",
                    allocations.get(i).bytes());
        }
        Set<String> names = new HashSet<>();
        for (int i = 0; i < buffers.size(); i++) {
            checkBuffer("buffers[" + i + "]", buffers.get(i), allocations, names);
        }
        for (int i = 0; i < files.size(); i++) {
            checkFile("files[" + i + "]", files.get(i), names);
        }
    }

    private static void checkBuffer(String field, BufferMeta buffer, List<AllocationEntry> allocations,
            Set<String> names) throws InvalidSnapshotException {
        checkName(field, buffer.name(), names);
        require(buffer.allocation() >= 0 && buffer.allocation() < allocations.size(), field + ".allocation",
                "there is no allocation %d", buffer.allocation());
        AllocationEntry allocation = allocations.get(buffer.allocation());
        // offset + length may overflow, so it is never computed.
        require(buffer.offset() >= 0 && buffer.length() >= 0 && buffer.offset() <= allocation.bytes()
                && buffer.length() <= allocation.bytes() - buffer.offset(), field + ".offset",
                "%d bytes at %d lie outside allocation %d of %d bytes", buffer.length(), buffer.offset(),
                buffer.allocation(), allocation.bytes());
        require(buffer.bufferType() == allocation.bufferType(), field + ".bufferType",
                "%s lies in allocation %d of type %s; an allocation holds one type", buffer.bufferType(),
                buffer.allocation(), allocation.bufferType());
        require(buffer.shape().size() <= SnapshotFormat.MAX_DIMENSIONS
                && buffer.shape().stream().allMatch(length -> length >= 0), field + ".shape",
                "%s has a negative or more than %d dimensions", buffer.shape(), SnapshotFormat.MAX_DIMENSIONS);
    }

    private static void checkFile(String field, FileEntry file, Set<String> names) throws InvalidSnapshotException {
        checkName(field, file.name(), names);
        // An engine may write the file under a folder of its own: the name must not lead out of it.
        for (String segment : file.name().split("/", -1)) {
            require(!segment.isEmpty() && !segment.equals(".") && !segment.equals("..") && segment.indexOf('\\') < 0,
                    field + ".name", "'%s' is no relative path", file.name());
        }
        require(file.length() >= 0, field + ".length", "%d is below 0", file.length());
    }

    private static void checkName(String field, String name, Set<String> names) throws InvalidSnapshotException {
        require(!name.isEmpty() && name.length() <= SnapshotFormat.MAX_NAME_CHARS
                && name.chars().noneMatch(Character::isISOControl), field + ".name",
                "a name has 1 to %d characters, none of them a control character", SnapshotFormat.MAX_NAME_CHARS);
        if (!names.add(name)) {
            throw new InvalidSnapshotException(Fault.DuplicateName,
                    field + ".name: '" + name + "' is the name of another buffer or file");
        }
    }

    private static void checkPacks(List<PackEntry> packs) throws InvalidSnapshotException {
        require(packs.size() <= SnapshotFormat.MAX_PACKS, "packs", "%d entries; at most %d", packs.size(),
                SnapshotFormat.MAX_PACKS);
        Set<String> ids = new HashSet<>();
        for (int i = 0; i < packs.size(); i++) {
            PackEntry pack = packs.get(i);
            String field = "packs[" + i + "]";
            require(SnapshotId.validPack(pack.id()), field + ".id", "'%s' is no pack id", pack.id());
            require(ids.add(pack.id()), field + ".id", "'%s' is listed twice", pack.id());
            require(pack.bytes() >= 2L * ALIGNMENT && pack.bytes() <= SnapshotFormat.MAX_PACK_BYTES
                    && pack.bytes() % ALIGNMENT == 0, field + ".bytes", "%d is no multiple of %d from %d to %d",
                    pack.bytes(), ALIGNMENT, 2 * ALIGNMENT, SnapshotFormat.MAX_PACK_BYTES);
            require(pack.chunks() >= 0 && pack.chunks() <= SnapshotFormat.MAX_CHUNKS, field + ".chunks",
                    "%d is not between 0 and %d", pack.chunks(), SnapshotFormat.MAX_CHUNKS);
        }
    }

    private static ChunkLayout layout(Manifest manifest) throws InvalidSnapshotException {
        try {
            return manifest.layout();
        } catch (ArithmeticException e) {
            throw new InvalidSnapshotException(Fault.InvalidManifest, "allocations: their sizes cannot be summed", e);
        }
    }

    private static void require(boolean holds, String field, String message, Object... values)
            throws InvalidSnapshotException {
        if (!holds) {
            throw new InvalidSnapshotException(Fault.InvalidManifest, field + ": " + message.formatted(values));
        }
    }
}
