package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
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

    @Test
    @DisplayName("S49–S51, S60: manifest, table and packs full of damage and malice are refused, or are what was saved")
    void anyBytes() throws Exception {
        LossyFiles disk = new LossyFiles();
        SnapshotStore store = open(disk);
        Snapshot saved;
        try (var model = new SampleModel(scratch, 1)) {
            saved = store.save(
                    model.buffer("w", BufferType.Weights, model.random(9 * 4096))
                            .buffer("text", BufferType.Weights, "dormouse ".repeat(2_000)
                                    .getBytes(
                                            StandardCharsets.UTF_8))
                            .file("f", model.random(700))
                            .request(CLOCK.instant()),
                    model.device(),
                    new SaveOptions(Compression.Zstd, 3, Set.of(BufferType.Weights), 4096, 1, true),
                    ProgressListener.NONE);
        }
        List<String> paths = List.of(VolumePaths.manifest(saved.id()), VolumePaths.chunkTable(saved.id()),
                VolumePaths.pack(saved.manifest().packs().getFirst().id()));
        var random = new Random(SEED);
        long end = System.nanoTime() + Duration.ofSeconds(SECONDS).toNanos();
        int rounds = 0;
        int passed = 0;
        while (System.nanoTime() < end) {
            String path = paths.get(random.nextInt(paths.size()));
            byte[] good = disk.read(path, Integer.MAX_VALUE);
            boolean forged = path.endsWith(".json") && random.nextInt(3) > 0;
            byte[] bad = forged ? rechecked(good, random) : mutate(good, random);
            disk.replace(path, bad);

            if (intact(store, saved.id())) {
                // Without a signature a forged manifest may say what it likes; else only the gaps between chunks differ.
                assertThat(forged || path.endsWith(".pack") || Arrays.equals(good, bad))
                        .as("round %d: %s", rounds, path)
                        .isTrue();
                passed++;
            }
            disk.replace(path, good);
            rounds++;
        }
        assertThat(intact(store, saved.id())).isTrue();
        assertThat(rounds).isGreaterThan(passed);
    }

    /** Whether all of it can be read; any other failure than a refusal fails the test. */
    private static boolean intact(SnapshotStore store, String id) throws Exception {
        Listing listing = store.list();
        if (listing.snapshots().isEmpty()) {
            assertThat(listing.refused()).singleElement().extracting(Refusal::reason).isNotEqualTo("Internal");
            return false;
        }
        VerifyReport report = store.verify(id, 1);
        assertThat(report.problems()).extracting(Refusal::reason).doesNotContain("Internal");
        return report.intact();
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

    private static SnapshotStore open(LossyFiles disk) throws Exception {
        return SnapshotStore.open(disk, new Writer("pod", "1"), CLOCK, SnapshotFormat.MAX_PACK_BYTES);
    }
}
