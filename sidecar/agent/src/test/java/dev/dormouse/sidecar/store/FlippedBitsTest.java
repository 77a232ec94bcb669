package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.trust.KeyFolder;
import dev.dormouse.sidecar.trust.Trust;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * One bit flipped in any file of a snapshot, one after the other: whoever verifies or restores is told. All bits in the soak
 * ({@code -Ddormouse.flips.stride=1}), every so manieth here.
 */
@ParameterizedClass
@EnumSource(FlippedBitsTest.Protection.class)
class FlippedBitsTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T10:15:30Z"), ZoneOffset.UTC);
    private static final int STRIDE = Integer.getInteger("dormouse.flips.stride", 131);

    enum Protection {
        None(false, false), Signed(true, false), Encrypted(false, true), SignedAndEncrypted(true, true);

        private final boolean signed;
        private final boolean encrypted;

        Protection(boolean signed, boolean encrypted) {
            this.signed = signed;
            this.encrypted = encrypted;
        }
    }

    @Parameter
    Protection protection = Protection.None;
    @TempDir
    Path scratch;
    @TempDir
    Path secrets;
    private final LossyFiles disk = new LossyFiles();
    private SampleModel model;
    private Trust trust;
    private Snapshot snapshot;

    @BeforeEach
    void save() throws Exception {
        KeyFolder keys = new KeyFolder(secrets).signer("k").wrapping("w", 1);
        trust = protection == Protection.None
                ? Trust.OFF
                : keys.trust("v", protection.signed ? "k" : null, protection.encrypted);
        model = new SampleModel(scratch, 1);
        byte[] text = Arrays.copyOf("dormouse ".repeat(500).getBytes(StandardCharsets.UTF_8), 4_300);
        snapshot = open()
                .save(model.buffer("text", BufferType.Weights, text)
                        .buffer("noise", BufferType.Weights, model.random(300))
                        .file("f", model.random(100))
                        .request(CLOCK.instant()), model.device(),
                        new SaveOptions(Compression.Zstd, 3, Set.of(BufferType.Weights), 4096, 1, true),
                        ProgressListener.NONE);
        assertThat(problems()).isEmpty();
    }

    @AfterEach
    void close() {
        model.close();
    }

    private SnapshotStore open() throws Exception {
        return SnapshotStore.open(disk, new Writer("pod", "1"), CLOCK, SnapshotFormat.MAX_PACK_BYTES, trust);
    }

    /** Of the snapshot as the next process finds it. */
    private List<String> problems() throws Exception {
        SnapshotStore store = open();
        Listing listing = store.list();
        if (!listing.refused().isEmpty()) {
            return listing.refused().stream().map(Refusal::reason).toList();
        }
        return store.verify(snapshot.id(), 1).problems().stream().map(Refusal::reason).toList();
    }

    @Test
    @DisplayName("S32, S49, S50: a flipped bit of any file of a snapshot is noticed, signed, encrypted or neither")
    void flipped() throws Exception {
        var paths = new ArrayList<>(
                List.of(VolumePaths.manifest(snapshot.id()), VolumePaths.chunkTable(snapshot.id())));
        if (protection.signed) {
            paths.add(VolumePaths.signature(snapshot.id()));
        }
        if (protection.encrypted) {
            paths.add(VolumePaths.key(snapshot.manifest().dataKey()));
        }
        String pack = VolumePaths.pack(snapshot.manifest().packs().getFirst().id());
        BitSet gaps = gaps(pack);
        paths.add(pack);
        int flips = 0;
        for (String path : paths) {
            byte[] good = disk.read(path, 1 << 20);
            for (int bit = 0; bit < good.length * 8; bit += STRIDE) {
                if (path.equals(pack) && gaps.get(bit / 8)) {
                    continue;
                }
                byte[] bad = good.clone();
                bad[bit / 8] ^= (byte) (1 << bit % 8);
                if (sameText(good, bad)) {
                    continue;
                }
                disk.replace(path, bad);
                flips++;
                assertThat(problems()).as("%s: bit %d", path, bit).isNotEmpty().doesNotContain("Internal");
            }
            disk.replace(path, good);
        }
        assertThat(problems()).isEmpty();
        System.out.printf("soak: %d bits flipped, %s: all noticed%n", flips, protection);
    }

    /** A key or a signature is text, whose white space at the end means nothing. */
    private static boolean sameText(byte[] good, byte[] bad) {
        return new String(good, StandardCharsets.ISO_8859_1).strip()
                .equals(new String(bad, StandardCharsets.ISO_8859_1).strip());
    }

    /** Bytes of a pack that belong to nothing: chunks begin at multiples of 4 KiB. */
    private BitSet gaps(String pack) throws Exception {
        int length = disk.read(pack, 1 << 20).length;
        var gaps = new BitSet(length);
        gaps.set(SnapshotFormat.ALIGNMENT, length - SnapshotFormat.ALIGNMENT);
        ChunkTable table = ChunkTable.read("table", disk.read(VolumePaths.chunkTable(snapshot.id()), 1 << 20),
                snapshot.manifest(), true);
        for (int i = 0; i < table.size(); i++) {
            Chunk chunk = table.chunk(i);
            gaps.clear((int) chunk.offset(), (int) chunk.offset() + chunk.storedLength());
        }
        return gaps;
    }
}
