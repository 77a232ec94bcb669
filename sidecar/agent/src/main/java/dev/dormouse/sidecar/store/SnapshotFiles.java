package dev.dormouse.sidecar.store;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * The file operations of a snapshot volume, and nothing else touches it. Paths are relative to the volume's root, with
 * {@code /} between segments. Nothing is durable before it was forced: a file's content by {@link NewFile#force}, its
 * name and its removal by {@link #sync} of the folder that holds it. Thread-safe.
 */
public interface SnapshotFiles {
    /** Does nothing when it exists. */
    void createFolder(String path) throws IOException;

    /**
     * Names of files and folders in it, in no order; none when it does not exist. On a network volume it may lag behind
     * what other nodes did.
     */
    List<String> list(String folder) throws IOException;

    boolean exists(String path) throws IOException;

    /**
     * The whole content.
     *
     * @throws java.nio.file.NoSuchFileException when there is none
     * @throws IOException also when it is longer than {@code maxBytes}
     */
    byte[] read(String path, int maxBytes) throws IOException;

    /** @throws java.nio.file.NoSuchFileException when there is none */
    OpenFile open(String path) throws IOException;

    /**
     * A file that did not exist.
     *
     * @throws java.nio.file.FileAlreadyExistsException when it does
     */
    NewFile create(String path) throws IOException;

    /**
     * Replaces {@code to}; who looks sees the file under exactly one name. After a crash a rename between two folders may
     * have left it under both, never under none.
     */
    void rename(String from, String to) throws IOException;

    /** A file or an empty folder; does nothing when there is none. */
    void delete(String path) throws IOException;

    /** Makes names, renames and removals in the folder durable. */
    void sync(String folder) throws IOException;

    /** Bytes that may still be written to the volume. */
    long usableBytes() throws IOException;

    /** For reading, by many threads. */
    interface OpenFile extends Closeable {
        long size() throws IOException;

        /**
         * Reads until {@code into} is full.
         *
         * @throws java.io.EOFException when the file ends before
         */
        void read(ByteBuffer into, long position) throws IOException;
    }

    /** For writing, by many threads. Gaps read as zero. */
    interface NewFile extends Closeable {
        /** Writes all that remains in {@code from}. */
        void write(ByteBuffer from, long position) throws IOException;

        /**
         * Makes the content durable. After a failure nobody knows what is on the disk: the file must be given up, a
         * second call may succeed and mean nothing.
         */
        void force() throws IOException;
    }
}
