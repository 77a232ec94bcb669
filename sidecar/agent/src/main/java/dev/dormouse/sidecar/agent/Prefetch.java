package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.SnapshotSettings;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the newest snapshot into the page cache while the driver initializes, which takes seconds on a machine with many
 * GPUs. Ends when it is closed: from then on the restore itself reads, and finds what is there. What it cannot read it
 * leaves to the restore to complain about.
 */
final class Prefetch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Prefetch.class);
    private static final int STEP = 8 << 20;

    private final Thread reader;
    private volatile boolean closed;
    private volatile long readBytes;

    private Prefetch(SnapshotStore store, SnapshotSettings settings) {
        reader = Thread.ofPlatform().daemon().name("prefetch").unstarted(() -> read(store, settings));
    }

    /** @return null when there is nothing that a restore would read */
    static @Nullable Prefetch begin(AgentConfig config, @Nullable SnapshotStore store) {
        SnapshotSettings settings = config.snapshots();
        if (store == null || settings == null || !config.warmup().preloadWeights()) {
            return null;
        }
        var prefetch = new Prefetch(store, settings);
        prefetch.reader.start();
        return prefetch;
    }

    private void read(SnapshotStore store, SnapshotSettings settings) {
        try {
            Optional<Snapshot> newest = store.newest(settings.key());
            if (newest.isPresent()) {
                ByteBuffer scratch = ByteBuffer.allocateDirect(STEP);
                for (Manifest.PackEntry pack : newest.get().manifest().packs()) {
                    read(settings.volume().resolve("packs").resolve(pack.id() + ".pack"), scratch);
                }
            }
        } catch (IOException e) {
            LOG.debug("reading ahead ended: {}", e.getMessage());
        }
    }

    private void read(Path pack, ByteBuffer scratch) throws IOException {
        try (FileChannel channel = FileChannel.open(pack, StandardOpenOption.READ)) {
            while (!closed && channel.read(scratch.clear()) > 0) {
                readBytes = readBytes + scratch.position();
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        LOG.info("{} MiB were read ahead", readBytes >> 20);
    }
}
