package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

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
import dev.dormouse.sidecar.trust.KeyFolder;
import dev.dormouse.sidecar.trust.Trust;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whatever the bytes of a volume are: readers refuse or read them, and never fail in another way, read out of bounds or
 * allocate without bound. {@code -Ddormouse.fuzz.seconds} says for how long, {@code -Ddormouse.fuzz.seed} with what.
 */
class FuzzTest {
    private static final int SECONDS = Integer.getInteger("dormouse.fuzz.seconds", 3);
    private static final long SEED = Long.getLong("dormouse.fuzz.seed", 1);
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T10:15:30Z"), ZoneOffset.UTC);

    @TempDir
    Path scratch;

    @TempDir
    Path secrets;

    /** A volume with one snapshot, whose chunks use all codecs. */
    private record Volume(LossyFiles disk, Trust trust, String id, List<String> paths) {
        SnapshotStore open() throws Exception {
            return SnapshotStore.open(disk, new Writer("pod", "1"), CLOCK, SnapshotFormat.MAX_PACK_BYTES, trust);
        }

        /** Whether all of it can be read; any other failure than a refusal fails the test. */
        boolean intact() throws Exception {
            SnapshotStore store = open();
            Listing listing = store.list();
            if (listing.snapshots().isEmpty()) {
                assertThat(listing.refused()).singleElement().extracting(Refusal::reason).isNotEqualTo("Internal");
                return false;
            }
            VerifyReport report = store.verify(id, 1);
            assertThat(report.problems()).extracting(Refusal::reason).doesNotContain("Internal");
            return report.intact();
        }
    }

    @Test
    @DisplayName("S49–S51, S60: manifest, table, packs, keys and signatures full of damage and malice are refused, or are what was saved")
    void anyBytes() throws Exception {
        var keys = new KeyFolder(secrets).signer("k").wrapping("w", 1);
        List<Volume> volumes = List.of(volume(Trust.OFF), volume(keys.trust("v", null, true)),
                volume(keys.trust("v", "k", false)));
        var random = new Random(SEED);
        long end = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos();
        int rounds = 0;
        int passed = 0;
        while (System.nanoTime() < end) {
            Volume volume = volumes.get(random.nextInt(volumes.size()));
            String path = volume.paths().get(random.nextInt(volume.paths().size()));
            byte[] good = volume.disk().read(path, Integer.MAX_VALUE);
            boolean forged = path.endsWith(".json") && random.nextInt(3) > 0;
            byte[] bad = forged ? rechecked(good, random) : mutate(good, random);
            volume.disk().replace(path, bad);

            if (volume.intact()) {
                // Without a signature a forged manifest may say what it likes; else only the gaps between chunks differ,
                // and the white space at the end of a key or signature.
                boolean unsigned = forged && !volume.trust().signaturesRequired();
                assertThat(unsigned || path.endsWith(".pack") || Arrays.equals(good, bad)
                        || new String(good, StandardCharsets.ISO_8859_1).strip()
                                .equals(new String(bad, StandardCharsets.ISO_8859_1).strip()))
                        .as("round %d: %s", rounds, path)
                        .isTrue();
                passed++;
            }
            volume.disk().replace(path, good);
            rounds++;
        }
        for (Volume volume : volumes) {
            assertThat(volume.intact()).isTrue();
        }
        assertThat(rounds).isGreaterThan(passed);
        System.out.printf("soak: %d fuzzed files with seed %d, %d of them as good as before%n", rounds, SEED, passed);
    }

    @Test
    @DisplayName("S49: a flipped bit in the head or a plane of a shuffled chunk is caught; with checksums off it is refused or passes, and nothing crashes")
    void flippedPlanes() throws Exception {
        Volume volume = volume(Trust.OFF);
        SnapshotStore store = volume.open();
        Snapshot snapshot = store.newest(SampleModel.KEY).orElseThrow();
        ChunkTable table = ChunkTable.read("table",
                volume.disk().read(VolumePaths.chunkTable(volume.id()), 1 << 20), snapshot.manifest(), true);
        Chunk shuffled = IntStream.range(0, table.size())
                .mapToObj(table::chunk)
                .filter(chunk -> chunk.codec() == Codec.Shuffle)
                .findFirst()
                .orElseThrow();
        String pack = volume.paths().getLast();
        byte[] good = volume.disk().read(pack, 1 << 20);
        int refused = 0;
        try (var target = new HostDevice(1 << 20)) {
            for (int bit = 0; bit < shuffled.storedLength() * 8; bit += bit < 128 ? 1 : 331) {
                byte[] bad = good.clone();
                bad[(int) shuffled.offset() + bit / 8] ^= (byte) (1 << bit % 8);
                volume.disk().replace(pack, bad);
                try (var task = store.restore(snapshot, target, new RestoreOptions(Verification.Digest, 1))) {
                    task.await(null);
                    throw new AssertionError("bit " + bit + " passed");
                } catch (RestoreException e) {
                    assertThat(e.fault()).isEqualTo(Fault.ChecksumMismatch);
                }
                try (var task = store.restore(snapshot, target, new RestoreOptions(Verification.None, 1))) {
                    task.await(null);
                } catch (RestoreException e) {
                    assertThat(e.fault()).isEqualTo(Fault.UndecodableChunk);
                    refused++;
                }
            }
        }
        assertThat(refused).isPositive();
    }

    private Volume volume(Trust trust) throws Exception {
        var disk = new LossyFiles();
        try (var model = new SampleModel(scratch, 1)) {
            byte[] halves = model.random(9_001);
            for (int i = 1; i < halves.length; i += 2) {
                halves[i] = (byte) (0x3c + (halves[i] & 3));
            }
            Snapshot saved = SnapshotStore
                    .open(disk, new Writer("pod", "1"), CLOCK, SnapshotFormat.MAX_PACK_BYTES, trust)
                    .save(model.buffer("w", BufferType.Weights, model.random(9 * 4096))
                            .buffer("halves", model.allocation(BufferType.Weights, halves), 0, halves, "bf16")
                            .buffer("zeros", BufferType.Weights, new byte[5_000])
                            .buffer("text", BufferType.Weights,
                                    "dormouse ".repeat(2_000).getBytes(StandardCharsets.UTF_8))
                            .file("f", model.random(700))
                            .request(CLOCK.instant()), model.device(),
                            new SaveOptions(Compression.Zstd, 3, Set.of(BufferType.Weights), 4096, 1, true),
                            ProgressListener.NONE);
            var paths = new ArrayList<>(List.of(VolumePaths.manifest(saved.id()), VolumePaths.chunkTable(saved.id())));
            if (saved.manifest().encrypted()) {
                paths.add(VolumePaths.key(saved.manifest().dataKey()));
            }
            if (trust.signaturesRequired()) {
                paths.add(VolumePaths.signature(saved.id()));
            }
            paths.add(VolumePaths.pack(saved.manifest().packs().getFirst().id()));
            return new Volume(disk, trust, saved.id(), paths);
        }
    }

    private static byte[] mutate(byte[] good, Random random) {
        byte[] bad = good.clone();
        switch (random.nextInt(5)) {
            case 0 -> bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bad = Arrays.copyOf(bad, random.nextInt(bad.length + 5_000));
            case 2 -> {
                for (int i = 0; i < 16; i++) {
                    bad[random.nextInt(bad.length)] = (byte) random.nextInt();
                }
            }
            case 3 -> {
                int length = random.nextInt(1, Math.min(200, bad.length));
                System.arraycopy(bad, random.nextInt(bad.length - length), bad, random.nextInt(bad.length - length),
                        length);
            }
            default -> random.nextBytes(bad);
        }
        return bad;
    }

    /** Other numbers and words in a manifest whose check fits them, as somebody with bad intentions writes it. */
    private static byte[] rechecked(byte[] manifest, Random random) {
        String text = new String(manifest, StandardCharsets.UTF_8);
        String[] tokens = text.substring(0, text.lastIndexOf(",\n")).split("(?<=[ :,\\[\\]{}\\n])");
        String[] values = {"-1", "0", "9223372036854775807", "99999999999999999999", "1e308", "null", "[]", "{}",
                "\"\"", "\"../../etc\"", "true", "4096", "\"Weights\""};
        for (int i = 0; i <= random.nextInt(3); i++) {
            tokens[random.nextInt(tokens.length)] = values[random.nextInt(values.length)];
        }
        String head = String.join("", tokens);
        var crc = new CRC32C();
        crc.update(head.getBytes(StandardCharsets.UTF_8));
        return "%s,\n  \"check\" : \"crc32c:%08x\"\n}\n".formatted(head, (int) crc.getValue())
                .getBytes(StandardCharsets.UTF_8);
    }
}
