package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.trust.Trust;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two nodes on one network volume, each of which believes for a while what it saw last. */
class NfsTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T10:15:30Z"), ZoneOffset.UTC);
    private static final int CHUNK = 4096;
    private static final SaveOptions OPTIONS = new SaveOptions(Compression.None, 3, Set.of(BufferType.Weights), CHUNK,
            1, true);

    @TempDir
    Path scratch;
    private final NfsClient.Server server = new NfsClient.Server();
    private final NfsClient here = new NfsClient(server);
    private final NfsClient there = new NfsClient(server);
    private SnapshotStore saver;
    private SnapshotStore collector;
    private byte[] weights;

    @BeforeEach
    void open() throws IOException {
        saver = SnapshotStore.open(here, new Writer("here", "1"), CLOCK, SnapshotFormat.MAX_PACK_BYTES);
        collector = SnapshotStore.open(there, new Writer("there", "1"), CLOCK, SnapshotFormat.MAX_PACK_BYTES);
        try (var model = new SampleModel(scratch, 1)) {
            weights = model.random(10 * CHUNK);
        }
    }

    private CollectReport collect() throws IOException, InterruptedException {
        return collector
                .collector(new CollectOptions(Duration.ofSeconds(65), Duration.ZERO, Set.of()), time -> there.settle())
                .collect();
    }

    @Test
    @DisplayName("S62: a snapshot that the collector's node cannot see yet keeps its packs")
    void aSnapshotThatIsNotSeenYet() throws Exception {
        collector.list();
        Snapshot saved = save(weights, 0);
        there.list("packs");

        CollectReport report = collect();

        assertThat(report.unlinkedPacks()).isZero();
        there.settle();
        assertThat(collector.verify(saved.id(), 1).problems()).isEmpty();
    }

    @Test
    @DisplayName("S62: a save that the collector's node cannot see yet is waited for")
    void aSaveThatIsNotSeenYet() throws Exception {
        Snapshot old = save(weights, 0);
        collector.list();
        there.list("intents");
        var other = new Intents(here, new Writer("here", "1"), CLOCK);
        Intent saving = other.announce(Intent.Kind.Save, "20261121t101531000z-00000000000000aa");
        there.settle();
        collector.delete(old.id());

        assertThat(collect().waitingFor()).containsExactly(saving.fileName());
        here.settle();
        Manifest manifest = old.manifest();
        try (var packs = new PackReader(here, manifest.packs(), () -> {
        })) {
            assertThat(packs).as("readable from the trash").isNotNull();
        }
        other.strike(saving);
        there.settle();
        assertThat(collect().unlinkedPacks()).isEqualTo(1);
    }

    @Test
    @DisplayName("ESTALE: a pack that another node rewrites is read on by its name")
    void aPackThatIsRewrittenUnderAReader() throws Exception {
        Snapshot first = save(weights, 0);
        byte[] changed = weights.clone();
        for (int chunk = 0; chunk < 7; chunk++) {
            changed[chunk * CHUNK] ^= 1;
        }
        Snapshot second = save(changed, 1);
        there.settle();
        try (var packs = new PackReader(here, second.manifest().packs(), () -> {
        })) {
            collector.delete(first.id());
            assertThat(collect().rewrittenPacks()).isEqualTo(1);

            var table = new Catalog(here, Trust.OFF).table(second.manifest());
            for (int i = 0; i < table.size(); i++) {
                ByteBuffer chunk = ByteBuffer.allocate(table.chunk(i).storedLength());
                packs.read(table.chunk(i), chunk);
                assertThat(chunk.flip()).isEqualTo(ByteBuffer.wrap(changed, i * CHUNK, CHUNK));
            }
        }
    }

    private Snapshot save(byte[] content, int second) throws Exception {
        try (var model = new SampleModel(scratch, 2)) {
            return saver.save(
                    model.buffer("w", BufferType.Weights, content).request(CLOCK.instant().plusSeconds(second)),
                    model.device(), OPTIONS, ProgressListener.NONE);
        }
    }
}
