package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Change;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The state that survives the process: every change appended to one file before it is acknowledged, rewritten when most of
 * it is history. A line is the CRC32C of the rest in hex, a space, and JSON. The last line may be torn by a crash; it was
 * never acknowledged and is cut off. The operating system has every acknowledged line, so that killing the process loses
 * none; the file is not synced at each write, so a power cut may lose the last seconds.
 *
 * <p>Not thread-safe: the store calls it under its lock.
 */
final class Journal implements AutoCloseable {
    private static final long SMALLEST_TO_COMPACT = 16L << 20;
    private static final int HISTORY_PER_LIVE_BYTE = 3;
    private static final int CHECKSUM_DIGITS = 8;

    private final Path file;
    private final FileChannel guard;
    private FileChannel channel;
    private long size;
    private long compactAt = SMALLEST_TO_COMPACT;

    /** @param object the whole object, of a DELETED one only its identity */
    record Entry(Change change, String resource, ApiObject object, long version) {}

    private Journal(Path file, FileChannel guard, FileChannel channel) {
        this.file = file;
        this.guard = guard;
        this.channel = channel;
    }

    /**
     * Opens the journal of a folder, or begins one, and tells what it holds, in the order of writing.
     *
     * @throws IOException when another server uses the folder, or a line before the last is damaged
     */
    static Journal open(Path folder, Consumer<Entry> entries) throws IOException {
        Files.createDirectories(folder);
        FileChannel guard = FileChannel.open(folder.resolve("lock"), StandardOpenOption.CREATE,
                StandardOpenOption.WRITE);
        try {
            if (lock(guard) == null) {
                throw new IOException("another control plane uses the state in " + folder);
            }
            Path file = folder.resolve("journal");
            FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ,
                    StandardOpenOption.WRITE);
            Journal journal = new Journal(file, guard, channel);
            journal.read(entries);
            return journal;
        } catch (IOException | RuntimeException e) {
            guard.close();
            throw e;
        }
    }

    private static @Nullable FileLock lock(FileChannel guard) throws IOException {
        try {
            return guard.tryLock();
        } catch (OverlappingFileLockException _) {
            return null; // a server of this very process
        }
    }

    private void read(Consumer<Entry> entries) throws IOException {
        // One character a byte: a torn line may end within a character.
        var reader = new BufferedReader(Channels.newReader(channel, StandardCharsets.ISO_8859_1), 1 << 16);
        long line = 1;
        for (String text = reader.readLine(); text != null; text = reader.readLine(), line++) {
            byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
            boolean complete = size + bytes.length < channel.size(); // the line break is there too
            if (!complete || !isIntact(bytes)) {
                if (size + bytes.length + 1 < channel.size()) {
                    throw new IOException(file + " is damaged in line " + line + " of more: restore it from a copy, or"
                            + " remove it to begin with an empty cluster");
                }
                channel.truncate(size);
                break;
            }
            entries.accept(parse(bytes));
            size += bytes.length + 1L;
        }
        channel.position(size);
        compactAt = Math.max(SMALLEST_TO_COMPACT, size);
    }

    private static boolean isIntact(byte[] line) {
        return line.length > CHECKSUM_DIGITS
                && new String(line, 0, CHECKSUM_DIGITS, StandardCharsets.US_ASCII)
                        .equals(checksum(line, CHECKSUM_DIGITS + 1));
    }

    private static Entry parse(byte[] line) throws IOException {
        JsonNode entry = Json.MAPPER.readTree(line, CHECKSUM_DIGITS + 1, line.length - CHECKSUM_DIGITS - 1);
        return new Entry(Change.valueOf(entry.path("change").asText()), entry.path("resource").asText(),
                new ApiObject((ObjectNode) entry.path("object")), entry.path("version").asLong());
    }

    /**
     * Returns when the operating system has the change.
     *
     * @throws ApiException 500 when it could not be written; then it is not there after a restart either
     */
    void append(Entry entry) {
        byte[] line = line(entry);
        try {
            ByteBuffer bytes = ByteBuffer.wrap(line);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            size += line.length;
        } catch (IOException e) {
            try {
                channel.truncate(size).position(size);
            } catch (IOException again) {
                e.addSuppressed(again);
            }
            throw ApiException.internal("the change cannot be written to " + file + " and was not made: "
                    + e.getMessage());
        }
    }

    /** Whether most of the file is history. */
    boolean isDue() {
        return size > compactAt;
    }

    /** Replaces the file by one that holds only what lives now; the old one stays valid until the new one is complete. */
    void compact(Collection<Entry> living) {
        Path next = file.resolveSibling("journal.next");
        try {
            FileChannel fresh = FileChannel.open(next, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE);
            OutputStream out = new BufferedOutputStream(Channels.newOutputStream(fresh), 1 << 16);
            for (Entry entry : living) {
                out.write(line(entry));
            }
            out.flush();
            fresh.force(true);
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
            channel.close();
            channel = fresh;
            size = fresh.position();
            compactAt = Math.max(SMALLEST_TO_COMPACT, size * (1 + HISTORY_PER_LIVE_BYTE));
        } catch (IOException _) { // perhaps the disk is full: the long journal is as good, and writes will say so
            compactAt = size + SMALLEST_TO_COMPACT;
        }
    }

    private static byte[] line(Entry entry) {
        ObjectNode json = Json.object().put("change", entry.change().name()).put("resource", entry.resource());
        json.put("version", entry.version());
        if (entry.change() == Change.DELETED) {
            ObjectNode metadata = json.putObject("object").putObject("metadata").put("name", entry.object().name());
            if (!entry.object().namespace().isEmpty()) {
                metadata.put("namespace", entry.object().namespace());
            }
        } else {
            json.set("object", entry.object().json());
        }
        byte[] body = Json.bytes(json);
        byte[] line = new byte[CHECKSUM_DIGITS + 1 + body.length + 1];
        System.arraycopy(checksum(body, 0).getBytes(StandardCharsets.US_ASCII), 0, line, 0, CHECKSUM_DIGITS);
        line[CHECKSUM_DIGITS] = ' ';
        System.arraycopy(body, 0, line, CHECKSUM_DIGITS + 1, body.length);
        line[line.length - 1] = '\n';
        return line;
    }

    private static String checksum(byte[] bytes, int from) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, from, bytes.length - from);
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }

    @Override
    public void close() {
        try {
            for (FileChannel each : List.of(channel, guard)) {
                each.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot close " + file, e);
        }
    }
}
