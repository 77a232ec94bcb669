package dev.dormouse.sidecar.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;

/** A volume that takes so many bytes and then has no space left, as the kernel says it: while a file is written. */
public final class FillingVolume extends DiskFiles {
    private long room;

    private FillingVolume(Path root, long room) throws IOException {
        super(root);
        this.room = room;
    }

    /** @param room bytes that can be written to it */
    public static SnapshotStore open(Path root, long room) throws IOException {
        return SnapshotStore.open(new FillingVolume(root, room), Writer.inPod("uid-1"),
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
        NewFile file = super.create(path);
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

    /** What the kernel says of a volume with a quota that only shows when it is hit. */
    @Override
    public long usableBytes() {
        return Long.MAX_VALUE;
    }
}
