package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.pipeline.ChunkVerifier;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.trust.TrustException;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Reads a snapshot from end to end and restores nothing. */
final class Verifier {
    private final SnapshotFiles files;
    private final Catalog catalog;
    private final VolumeKeys keys;

    Verifier(SnapshotFiles files, Catalog catalog, VolumeKeys keys) {
        this.files = files;
        this.catalog = catalog;
        this.keys = keys;
    }

    /**
     * @param announcement that the packs are being read
     * @param workers threads that read
     */
    VerifyReport verify(String id, Closeable announcement, int workers) throws IOException {
        try (announcement) {
            Manifest manifest = catalog.manifest(id);
            VolumeKey key = keys.forReading(manifest);
            try (PackReader packs = new PackReader(files, manifest.packs(), () -> {
            })) {
                return new Run(manifest, catalog.table(manifest), packs, key).verify(workers);
            }
        } catch (InvalidSnapshotException e) {
            return new VerifyReport(id, 0, 0, List.of(problem(id, e.fault().name(), e)));
        } catch (TrustException e) {
            return new VerifyReport(id, 0, 0, List.of(problem(id, e.fault().name(), e)));
        }
    }

    private static Refusal problem(String id, String reason, Exception e) {
        return new Refusal(id, reason, String.valueOf(e.getMessage()));
    }

    private static final class Run {
        private final Manifest manifest;
        private final ChunkTable table;
        private final PackReader packs;
        private final @Nullable VolumeKey key;
        private final AtomicInteger next = new AtomicInteger();
        private final AtomicLong rawBytes = new AtomicLong();
        private final List<Refusal> problems = Collections.synchronizedList(new ArrayList<>());

        Run(Manifest manifest, ChunkTable table, PackReader packs, @Nullable VolumeKey key) {
            this.manifest = manifest;
            this.table = table;
            this.packs = packs;
            this.key = key;
        }

        VerifyReport verify(int workers) {
            List<Thread> others = IntStream.range(1, workers)
                    .mapToObj(i -> Thread.ofPlatform().daemon().name("verify-" + i).start(this::work))
                    .toList();
            work();
            boolean interrupted = false;
            for (Thread other : others) {
                while (other.isAlive()) {
                    try {
                        other.join();
                    } catch (InterruptedException e) {
                        interrupted = true;
                        next.set(table.size());
                    }
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            return new VerifyReport(manifest.id(), table.size(), rawBytes.get(), problems);
        }

        private void work() {
            try (ChunkVerifier verifier = new ChunkVerifier(packs, manifest.chunkBytes(), key)) {
                for (int i = next.getAndIncrement(); i < table.size()
                        && problems.size() < VerifyReport.MAX_PROBLEMS; i = next.getAndIncrement()) {
                    Chunk chunk = table.chunk(i);
                    try {
                        verifier.verify(chunk);
                        rawBytes.addAndGet(chunk.rawLength());
                    } catch (RestoreException e) {
                        problems.add(problem(manifest.id(), e.code(), e));
                    }
                }
            } catch (RuntimeException | Error e) {
                problems.add(new Refusal(manifest.id(), "Internal", e.toString()));
            }
        }
    }
}
