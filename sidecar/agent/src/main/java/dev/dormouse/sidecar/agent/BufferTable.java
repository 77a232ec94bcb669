package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What an engine declares about the memory it fills. Every name, offset, size and count is checked here, before anybody
 * uses it: the engine may run code that its users wrote. Names are unique over buffers and files together, because
 * {@code WAIT} takes either.
 */
final class BufferTable {
    /** All allocations together. More than any GPU has, and small enough that no sum overflows. */
    static final long MAX_BYTES = 4L << 40;
    static final int MAX_ALLOCATIONS = 4_096;
    static final int MAX_BUFFERS = 200_000;
    static final int MAX_FILES = 1_024;
    static final int MAX_NAME = 512;
    static final int MAX_DIMENSIONS = 16;
    static final long MAX_FILE_BYTES = 1L << 30;
    /** All files together: they are kept in memory until the replica ends. */
    static final long MAX_FILES_BYTES = 2L << 30;

    private static final Pattern DTYPE = Pattern.compile("[a-z][a-z0-9_]{0,23}");
    private static final Pattern FILE = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*");

    private record Room(long bytes, BufferType type) {}

    private final Map<Integer, Room> allocations = new HashMap<>();
    private final List<BufferMeta> buffers = new ArrayList<>();
    private final Set<String> names = new HashSet<>();
    private long bytes;
    private int files;
    private long fileBytes;

    /** Before memory is taken: may this engine have so much more, of this type? */
    void checkAllocation(long more, BufferType type) throws RefusedException {
        if (more <= 0 || more > MAX_BYTES - bytes) {
            throw new RefusedException("BadSize", "An allocation of " + more
                    + " bytes; it must be more than 0, and all together at most " + MAX_BYTES);
        }
        present("bufferType", type);
        if (allocations.size() >= MAX_ALLOCATIONS) {
            throw new RefusedException("TooManyAllocations",
                    "More than " + MAX_ALLOCATIONS + " allocations; let several buffers share one");
        }
    }

    void allocated(int id, long taken, BufferType type) {
        bytes += taken;
        allocations.put(id, new Room(taken, type));
    }

    /** Takes all of them or none. */
    void put(List<BufferMeta> more) throws RefusedException {
        if (buffers.size() + more.size() > MAX_BUFFERS) {
            throw new RefusedException("TooManyBuffers", "More than " + MAX_BUFFERS + " buffers");
        }
        Set<String> added = new HashSet<>();
        for (BufferMeta buffer : more) {
            check(buffer);
            if (names.contains(buffer.name()) || !added.add(buffer.name())) {
                throw duplicate(buffer.name());
            }
        }
        names.addAll(added);
        buffers.addAll(more);
    }

    private void check(BufferMeta buffer) throws RefusedException {
        String name = present("name", buffer.name());
        if (name.isEmpty() || name.length() > MAX_NAME || name.chars().anyMatch(Character::isISOControl)) {
            throw new RefusedException("BadName",
                    "A buffer's name must have 1 to " + MAX_NAME + " printable characters");
        }
        Room room = allocations.get(buffer.allocation());
        if (room == null) {
            throw new RefusedException("UnknownAllocation",
                    "Buffer " + name + " lies in allocation " + buffer.allocation()
                            + ", which this connection does not own");
        }
        if (buffer.offset() < 0 || buffer.length() < 0 || buffer.offset() > room.bytes() - buffer.length()) {
            throw new RefusedException("OutOfBounds", "Buffer " + name + " takes " + buffer.length() + " bytes at "
                    + buffer.offset() + " of an allocation of " + room.bytes());
        }
        if (buffer.bufferType() != room.type()) {
            throw new RefusedException("TypeMismatch", "Buffer " + name + " is " + buffer.bufferType()
                    + " but its allocation holds " + room.type());
        }
        if (!DTYPE.matcher(present("dtype", buffer.dtype())).matches()) {
            throw new RefusedException("BadDtype", "Buffer " + name + " has a dtype that is not like f32 or bf16");
        }
        if (buffer.shape().size() > MAX_DIMENSIONS || buffer.shape().stream().anyMatch(extent -> extent < 0)) {
            throw new RefusedException("BadShape", "Buffer " + name + " has shape " + buffer.shape() + "; at most "
                    + MAX_DIMENSIONS + " dimensions, none negative");
        }
    }

    /** Before a file is copied. */
    void checkFile(String name, long length) throws RefusedException {
        if (present("name", name).length() > MAX_NAME || !FILE.matcher(name).matches()) {
            throw new RefusedException("BadName", "A file's name must be a relative path of letters, digits, '.', '_' "
                    + "and '-', no part beginning with a dot, of at most " + MAX_NAME + " characters");
        }
        if (length < 0 || length > MAX_FILE_BYTES || fileBytes + length > MAX_FILES_BYTES) {
            throw new RefusedException("BadSize", "File " + name + " of " + length + " bytes; one may have "
                    + MAX_FILE_BYTES + ", all together " + MAX_FILES_BYTES);
        }
        if (files >= MAX_FILES) {
            throw new RefusedException("TooManyFiles", "More than " + MAX_FILES + " files");
        }
        if (names.contains(name)) {
            throw duplicate(name);
        }
    }

    void fileTaken(String name, long length) {
        names.add(name);
        files++;
        fileBytes += length;
    }

    /** Whether there is anything to commit. */
    boolean empty() {
        return buffers.isEmpty() && files == 0;
    }

    List<BufferMeta> buffers() {
        return List.copyOf(buffers);
    }

    private static RefusedException duplicate(String name) {
        return new RefusedException("DuplicateName", "There is already a buffer or file named " + name);
    }

    /** JSON may leave out what the wire records declare. */
    private static <T> T present(String field, @Nullable T value) throws RefusedException {
        if (value == null) {
            throw new RefusedException("MissingField", "The message has no " + field);
        }
        return value;
    }
}
