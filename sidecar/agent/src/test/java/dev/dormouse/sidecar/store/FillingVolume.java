package dev.dormouse.sidecar.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;

/** A volume that takes so many bytes and then has no space left, as the kernel says it: while a file is written. */
public final class FillingVolume implements SnapshotFiles {
    private final SnapshotFiles disk;
    private long room;

    private FillingVolume(SnapshotFiles disk, long room) {
        this.disk = disk;
        this.room = room;
    }

    /** @param room bytes that can be written to it */
    public static SnapshotStore open(Path root, long room) throws IOException {
        return SnapshotStore.open(new FillingVolume(new DiskFiles(root), room), Writer.inPod("uid-1"),
                Clock.systemUTC(), 1L << 32);
    }

    private synchronized void take(int bytes) throws IOException {
        if (bytes > room) {
            throw new IOException("No space left on device");
        }
        room -= bytes;
    }

    @Override
    public NewFile create(String path) throws IOException {
        NewFile file = disk.create(path);
        return new NewFile() {
            @Override
            public void write(ByteBuffer from, long position) throws IOException {
                take(from.remaining());
                file.write(from, position);
            }

            @Override
            public void force() throws IOException {
                file.force();
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    @Override
    public void createFolder(String path) throws IOException {
        disk.createFolder(path);
    }

    @Override
    public List<String> list(String folder) throws IOException {
        return disk.list(folder);
    }

    @Override
    public boolean exists(String path) throws IOException {
        return disk.exists(path);
    }

    @Override
    public byte[] read(String path, int maxBytes) throws IOException {
        return disk.read(path, maxBytes);
    }

    @Override
    public OpenFile open(String path) throws IOException {
        return disk.open(path);
    }

    @Override
    public void rename(String from, String to) throws IOException {
        disk.rename(from, to);
    }

    @Override
    public void delete(String path) throws IOException {
        disk.delete(path);
    }

    @Override
    public void sync(String folder) throws IOException {
        disk.sync(folder);
    }

    /** What the kernel says of a volume with a quota that only shows when it is hit. */
    @Override
    public long usableBytes() {
        return Long.MAX_VALUE;
    }
}
