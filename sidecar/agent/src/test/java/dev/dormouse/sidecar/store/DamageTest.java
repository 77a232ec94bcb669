package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.Verification;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every kind of damage to a pack is caught, or changes nothing that is restored. */
class DamageTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T10:15:30Z"), ZoneOffset.UTC);
    private static final int TEXT_BYTES = 4_900;
    /** Every so manieth flip is restored too, by the same decoder, which costs a thread or two. */
    private static final int RESTORED = 41;

    @TempDir
    Path scratch;
    private final LossyFiles files = new LossyFiles();
    private final HostDevice target = new HostDevice(1 << 20);
    private SampleModel model;
    private SnapshotStore store;
    private Snapshot snapshot;
    private String pack;
    private byte[] packBytes;

    @BeforeEach
    void save() throws Exception {
        model = new SampleModel(scratch, 1);
        byte[] compressible = Arrays.copyOf("dormouse ".repeat(TEXT_BYTES / 9 + 1).getBytes(StandardCharsets.UTF_8),
                TEXT_BYTES);
        model.buffer("text", BufferType.Weights, compressible)
                .buffer("noise", BufferType.Weights, model.random(500))
                .file("f", model.random(300));
        store = SnapshotStore.open(files, Writer.inPod("pod"), CLOCK, SnapshotFormat.MAX_PACK_BYTES);
        snapshot = store.save(model.request(CLOCK.instant()), model.device(),
                new SaveOptions(Compression.Zstd, 3, Set.of(BufferType.Weights), 4096, 1, true), ProgressListener.NONE);
        pack = VolumePaths.pack(snapshot.manifest().packs().getFirst().id());
        packBytes = files.read(pack, 1 << 20);
    }

    @AfterEach
    void close() {
        model.close();
        target.close();
    }

    @Test
    @DisplayName("S32, S49: each flipped bit of what is stored is caught")
    void everyFlippedBit() throws Exception {
        ChunkTable table = table();
        int flipped = 0;
        for (int i = 0; i < table.size(); i++) {
            Chunk chunk = table.chunk(i);
            for (int bit = 0; bit < chunk.storedLength() * 8; bit++) {
                files.replace(pack, flipped((int) chunk.offset() * 8 + bit));
                assertThat(store.verify(snapshot.id(), 1).problems()).as("chunk %d bit %d", i, bit)
                        .extracting(Refusal::reason)
                        .containsExactly(Fault.ChecksumMismatch.name());
                if (bit % RESTORED == 0) {
                    assertThat(refusal(true).fault()).isEqualTo(Fault.ChecksumMismatch);
                }
                flipped++;
            }
        }
        assertThat(flipped).isGreaterThan(5_000);
    }

    @Test
    @DisplayName("S49: flipped bits of header and footer are caught (PackFrameTest flips all), those in gaps change nothing")
    void flippedBitsElsewhere() throws Exception {
        ChunkTable table = table();
        for (int at = 0; at < packBytes.length; at += 61) {
            files.replace(pack, flipped(at * 8 + at % 8));

            if (at < SnapshotFormat.ALIGNMENT || at >= packBytes.length - SnapshotFormat.ALIGNMENT) {
                assertThat(refusal(true).fault()).isEqualTo(Fault.InvalidPack);
            } else if (!isStored(table, at)) {
                assertRestoresWhatWasSaved();
            }
        }
    }

    private byte[] flipped(int bit) {
        byte[] damaged = packBytes.clone();
        damaged[bit / 8] ^= (byte) (1 << bit % 8);
        return damaged;
    }

    @Test
    @DisplayName("S51: a pack of another length is caught at once, whatever the length")
    void everyLength() throws Exception {
        for (int length = 0; length < packBytes.length; length += length < 4200 ? 1 : 61) {
            files.replace(pack, Arrays.copyOf(packBytes, length));
            assertThat(refusal(true).fault()).isEqualTo(Fault.InvalidPack);
        }
        files.replace(pack, Arrays.copyOf(packBytes, packBytes.length + 1));
        assertThat(refusal(true)).hasMessageContaining("bytes, the manifest says");
        files.delete(pack);
        assertThat(refusal(true)).hasMessageContaining("is missing");
    }

    @Test
    @DisplayName("S49: two chunks that changed places are caught")
    void swappedChunks() throws Exception {
        byte[] swapped = packBytes.clone();
        System.arraycopy(packBytes, 4096, swapped, 8192, 4096);
        System.arraycopy(packBytes, 8192, swapped, 4096, 4096);
        files.replace(pack, swapped);

        RestoreException refusal = refusal(true);

        assertThat(refusal.fault()).isEqualTo(Fault.ChecksumMismatch);
        assertThat(refusal.fault().damage()).isTrue();
        assertThat(refusal).hasMessageContaining(pack + " at 4096: CRC32C of 300 stored bytes is ");
    }

    @Test
    @DisplayName("S33, S55: whoever saved, checksums are there; without verification damaged bytes pass, a zstd frame that cannot be decoded does not, nothing crashes")
    void verificationOff() throws Exception {
        ChunkTable table = table();
        for (int i = 0; i < table.size(); i++) {
            Chunk chunk = table.chunk(i);
            byte[] damaged = packBytes.clone();
            Arrays.fill(damaged, (int) chunk.offset(), (int) chunk.offset() + chunk.storedLength(), (byte) 0x5a);
            files.replace(pack, damaged);

            if (chunk.codec() == Codec.Raw) {
                try (var task = store.restore(snapshot, target, new RestoreOptions(Verification.None, 1))) {
                    task.await(null);
                }
            } else {
                assertThat(refusal(false).fault()).isEqualTo(Fault.UndecodableChunk);
            }
            assertThat(refusal(true).fault()).isEqualTo(Fault.ChecksumMismatch);
        }
    }

    @Test
    @DisplayName("S53: a missing chunk table is damage, not a reason to crash")
    void missingTable() throws Exception {
        files.delete(VolumePaths.chunkTable(snapshot.id()));

        assertThat(refusal(true).fault()).isEqualTo(Fault.InvalidChunkTable);
    }

    private ChunkTable table() throws Exception {
        return ChunkTable.read("table", files.read(VolumePaths.chunkTable(snapshot.id()), 1 << 20),
                snapshot.manifest(), true);
    }

    private static boolean isStored(ChunkTable table, int at) {
        for (int i = 0; i < table.size(); i++) {
            Chunk chunk = table.chunk(i);
            if (at >= chunk.offset() && at < chunk.offset() + chunk.storedLength()) {
                return true;
            }
        }
        return false;
    }

    private RestoreException refusal(boolean verify) {
        var refusal = catchThrowableOfType(RestoreException.class, () -> {
            try (var task = store.restore(snapshot, target,
                    new RestoreOptions(verify ? Verification.Crc : Verification.None, 1))) {
                task.await(null);
            }
        });
        assertThat(refusal).isNotNull();
        assertThat(target.usedBytes()).isZero();
        return refusal;
    }

    private void assertRestoresWhatWasSaved() throws Exception {
        try (var task = store.restore(snapshot, target, RestoreOptions.verified())) {
            task.await(null);
            Map<String, byte[]> restored = SampleModel.restored(task, target);
            model.contents().forEach((name, content) -> assertThat(restored.get(name)).isEqualTo(content));
        }
    }
}
