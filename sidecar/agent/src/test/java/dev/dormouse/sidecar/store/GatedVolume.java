package dev.dormouse.sidecar.store;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;
import java.util.concurrent.CountDownLatch;

/** A volume whose packs can be written, or read, from the moment the test says so. */
public final class GatedVolume extends DiskFiles {
    private final CountDownLatch writing;
    private final CountDownLatch reading;

    private GatedVolume(Path root, CountDownLatch writing, CountDownLatch reading) throws IOException {
        super(root);
        this.writing = writing;
        this.reading = reading;
    }

    public static SnapshotStore writingAfter(CountDownLatch writing, Path root) throws IOException {
        return open(new GatedVolume(root, writing, new CountDownLatch(0)));
    }

    public static SnapshotStore readingAfter(CountDownLatch reading, Path root) throws IOException {
        return open(new GatedVolume(root, new CountDownLatch(0), reading));
    }

    private static SnapshotStore open(GatedVolume files) throws IOException {
        return SnapshotStore.open(files, Writer.inPod("uid-1"), Clock.systemUTC(), 1L << 32);
    }

    @Override
    public NewFile create(String path) throws IOException {
        pass(path, writing);
        return super.create(path);
    }

    @Override
    public OpenFile open(String path) throws IOException {
        OpenFile file = super.open(path);
        return new OpenFile() {
            @Override
            public long size() throws IOException {
                return file.size();
            }

            @Override
            public void read(ByteBuffer into, long position) throws IOException {
                if (position > 0 && into.isDirect()) {
                    pass(path, reading); // frames are read into the heap, chunks never are
                }
                file.read(into, position);
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    private static void pass(String path, CountDownLatch gate) throws IOException {
        if (path.endsWith(".pack")) {
            try {
                gate.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted at the gate");
            }
        }
    }
}
