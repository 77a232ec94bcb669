package dev.dormouse.gpu;

import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaException;
import dev.dormouse.sidecar.cuda.CudaStream;
import dev.dormouse.sidecar.cuda.PinnedMemory;
import dev.dormouse.sidecar.transport.Mapping;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** What bounds every restore on this machine: the way to the device, the storage, and what page-locking costs. */
final class Limits {
    /** Name of the row that restores are compared with. */
    static final String TO_DEVICE = "H2D best";
    static final String PAGE_CACHE = "read page cache";

    private static final int[] SIZES = {1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20};
    private static final int[] STREAMS = {1, 2, 4};
    private static final int READ = 4 << 20;

    private final CudaContext context;
    private final Report report;
    private final boolean quick;

    /** @param quick on the stand-in: figures mean nothing there, only that they can be had */
    Limits(CudaContext context, Report report, boolean quick) {
        this.context = context;
        this.report = report;
        this.quick = quick;
    }

    void toDevice() {
        double best = 0;
        int largest = quick ? 16 << 20 : SIZES[SIZES.length - 1];
        long target = context.allocate(largest * 4L);
        try (PinnedMemory host = context.pinned(largest)) {
            for (int size : SIZES) {
                for (int streams : STREAMS) {
                    if (size <= largest) {
                        double rate = rate(target, host, size, streams);
                        best = Math.max(best, rate);
                        report.row("limits", "H2D " + (size >> 20) + " MiB x " + streams + " streams", rate, "GB/s");
                    }
                }
            }
        } finally {
            context.free(target);
        }
        report.row("limits", TO_DEVICE, best, "GB/s");
    }

    private double rate(long target, PinnedMemory host, int size, int streams) {
        List<CudaStream> open = new ArrayList<>();
        for (int i = 0; i < streams; i++) {
            open.add(new CudaStream(context));
        }
        long bytes = quick ? 64L << 20 : 8L << 30;
        int copies = (int) Math.max(streams, bytes / size);
        double best = 0;
        for (int run = 0; run < 2; run++) {
            long start = System.nanoTime();
            for (int i = 0; i < copies; i++) {
                open.get(i % streams).toDevice(target + (long) (i % streams) * size, host.segment().asSlice(0, size));
            }
            open.forEach(CudaStream::synchronize);
            best = Math.max(best, (double) copies * size / (System.nanoTime() - start));
        }
        open.forEach(CudaStream::close);
        return best;
    }

    /** What it costs to page-lock memory, by the driver's own allocation and for shared memory. */
    void pinning() throws IOException {
        long bytes = quick ? 64L << 20 : 1L << 30;
        double gib = (double) bytes / (1L << 30);
        long start = System.nanoTime();
        context.pinned(bytes).close();
        report.row("pin", "cuMemHostAlloc and free", (System.nanoTime() - start) / 1e9 / gib, "s/GiB");
        try (MemoryFile file = MemoryFile.create("dormouse-pin", bytes); Mapping mapping = file.mapReadWrite()) {
            start = System.nanoTime();
            mapping.segment().fill((byte) 1);
            report.row("pin", "first touch of a memfd, 4 KiB pages", (System.nanoTime() - start) / 1e9 / gib, "s/GiB");
            start = System.nanoTime();
            context.register(mapping.segment());
            report.row("pin", "cuMemHostRegister of a memfd", (System.nanoTime() - start) / 1e9 / gib, "s/GiB");
            long target = context.allocate(bytes);
            try (CudaStream stream = new CudaStream(context)) {
                stream.toDevice(target, mapping.segment());
                stream.synchronize();
                start = System.nanoTime();
                stream.toDevice(target, mapping.segment());
                stream.synchronize();
                report.ratio("pin", "H2D from a registered memfd", (double) bytes / (System.nanoTime() - start), "GB/s",
                        report.value("limits", TO_DEVICE));
            }
            context.free(target);
            start = System.nanoTime();
            context.unregister(mapping.segment());
            report.row("pin", "cuMemHostUnregister", (System.nanoTime() - start) / 1e9 / gib, "s/GiB");
        } catch (CudaException e) {
            report.missing("pin", String.valueOf(e.getMessage()));
        }
    }

    /** @param workers threads that read, as many as a restore has */
    void storage(Path folder, int workers) throws IOException {
        long bytes = quick ? 128L << 20 : 8L << 30;
        Path file = folder.resolve("storage.bin");
        try {
            write(file, bytes);
            report.row("limits", PAGE_CACHE, read(file, bytes, workers), "GB/s");
            if (dropCache()) {
                report.row("limits", "read storage, cold", read(file, bytes, workers), "GB/s");
            } else {
                report.missing("limits", "cold storage: the page cache can only be dropped by root");
            }
        } finally {
            Files.deleteIfExists(file);
        }
    }

    private static void write(Path file, long bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            ByteBuffer block = ByteBuffer.allocateDirect(READ);
            while (block.hasRemaining()) {
                block.put((byte) block.position());
            }
            for (long at = 0; at < bytes; at += READ) {
                channel.write(block.rewind(), at);
            }
            channel.force(true);
        }
    }

    private static double read(Path file, long bytes, int workers) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long share = bytes / READ / workers;
            long start = System.nanoTime();
            List<Thread> readers = new ArrayList<>();
            for (int worker = 0; worker < workers; worker++) {
                long from = worker * share * READ;
                readers.add(Thread.ofPlatform().start(() -> read(channel, from, share)));
            }
            for (Thread reader : readers) {
                reader.join();
            }
            return (double) share * workers * READ / (System.nanoTime() - start);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static void read(FileChannel channel, long from, long blocks) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(READ);
        try {
            for (long block = 0; block < blocks; block++) {
                if (channel.read(buffer.clear(), from + block * READ) != READ) {
                    throw new IOException("short read");
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static boolean dropCache() {
        try {
            Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "1\n");
            return true;
        } catch (IOException e) {
            return false;
        }
    }
}
