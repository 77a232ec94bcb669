package dev.dormouse.sidecar.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;

/**
 * The file system as the store uses it: the place where tests put full disks, failing writes and lost unsynced data. A
 * write is durable after {@link Output#sync()} of the file and {@link #syncFolder} of every folder whose entries changed.
 */
public interface SnapshotFiles {

    /** Creates a file; fails when it exists. */
    Output create(Path file) throws IOException;

    /** For positional reads; the caller closes it. */
    FileChannel open(Path file) throws IOException;

    byte[] read(Path file) throws IOException;

    boolean exists(Path file);

    /** Children in name order; empty when the folder is not there. */
    List<Path> list(Path folder) throws IOException;

    void createFolders(Path folder) throws IOException;

    /** Atomic, replacing. */
    void rename(Path from, Path to) throws IOException;

    void syncFolder(Path folder) throws IOException;

    /** Deletes a file or an empty folder when it is there. */
    void delete(Path file) throws IOException;

    /** Bytes that may still be written. */
    long usableBytes(Path folder) throws IOException;

    /** A file being written. */
    interface Output extends AutoCloseable {
        /** Writes all remaining bytes at {@code position}. */
        void write(ByteBuffer bytes, long position) throws IOException;

        void sync() throws IOException;

        @Override
        void close() throws IOException;
    }
}
