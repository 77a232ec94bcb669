package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Pack;
import dev.dormouse.sidecar.pipeline.Restore;
import dev.dormouse.sidecar.pipeline.RestoreException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SnapshotStoreTest {
    private static final int LENGTH = 20_000;
    /** A pack is mostly checked a chunk at a time; {@code -Dsoak.stride=1} flips a bit of every byte. */
    private static final int PACK_STRIDE = Integer.getInteger("soak.stride", 17);

    @TempDir
    Path root;

    private SnapshotStore store(long seed) {
        return Samples.store(root, new DiskFiles(), seed);
    }

    private Snapshot newest() throws IOException {
        return store(0).newest(Samples.KEY).orElseThrow();
    }

    @Test
    @DisplayName("S26, S31, S66: what was saved is restored, with zero, empty and unicode buffers, more than one chunk")
    void roundTrip() throws Exception {
        int length = Pack.CHUNK + 12_345;
        store(1).save(Samples.request(7, length), SaveOptions.RAW);

        Samples.assertRestores(newest(), 7, length, true);
        assertThat(newest().chunks()).extracting(chunk -> chunk.codec()).contains(Codec.Raw, Codec.Zero);
    }

    @Test
    @DisplayName("S3, S16, S27, S52: zstd where it saves, stored lengths of their own")
    void zstd() throws Exception {
        byte[] text = "all work and no play makes jack a dull boy ".repeat(2000)
                .getBytes(java.nio.charset.StandardCharsets.UTF_8);
        SaveRequest request = new SaveRequest(Samples.KEY, java.util.Map.of(),
                List.of(new SaveRequest.SourceFile("text",
                        java.lang.foreign.MemorySegment
                                .ofBuffer(ByteBuffer.allocateDirect(text.length).put(text).flip()))),
                List.of(), List.of());

        Snapshot saved = store(1).save(request, new SaveOptions(3));

        assertThat(saved.manifest().storedBytes()).isLessThan(saved.manifest().rawBytes() / 5);
        try (Restore restore = Restore.start(newest(), new HostDevice(1 << 20), new DiskFiles(),
                new Restore.Options(1, true))) {
            restore.await("text");
            assertThat(java.util.Objects.requireNonNull(restore.files().get("text"))
                    .segment()
                    .toArray(java.lang.foreign.ValueLayout.JAVA_BYTE))
                    .isEqualTo(text);
        }
        assertThatThrownBy(() -> new SaveOptions(23)).hasMessageContaining("1 to 22");
    }

    @Test
    @DisplayName("S45: a new volume has no snapshot; S37, S57: a restarted store finds what is on disk")
    void emptyAndRestarted() throws Exception {
        assertThat(store(1).newest(Samples.KEY)).isEmpty();
        store(1).save(Samples.request(1, LENGTH), SaveOptions.RAW);

        assertThat(store(2).list()).hasSize(1);
        assertThat(store(2).newest("f".repeat(64))).isEmpty();
    }

    @Test
    @DisplayName("S56: the newest wins; ids are immutable and never reused")
    void newestWins() throws Exception {
        store(1).save(Samples.request(1, LENGTH), SaveOptions.RAW);
        Snapshot second = store(5).save(Samples.request(2, LENGTH), SaveOptions.RAW);

        assertThat(newest().id()).isEqualTo(second.id());
        assertThat(store(0).list()).hasSize(2);
        Samples.assertRestores(newest(), 2, LENGTH, true);
    }

    @Test
    @DisplayName("S32: a quarantined snapshot is never used again; the older one is")
    void quarantine() throws Exception {
        Snapshot first = store(1).save(Samples.request(1, LENGTH), SaveOptions.RAW);
        Snapshot second = store(2).save(Samples.request(2, LENGTH), SaveOptions.RAW);
        store(3).quarantine(second.id(), "ChecksumMismatch", "chunk 1");
        store(3).quarantine(second.id(), "ChecksumMismatch", "again");

        assertThat(newest().id()).isEqualTo(first.id());
        assertThat(Files.readString(root.resolve("snapshots/" + second.id() + "/quarantined.json")))
                .contains("chunk 1");
    }

    @Test
    @DisplayName("S54: an id that is a path is refused")
    void hostileId() {
        assertThatThrownBy(() -> store(1).quarantine("../../etc", "x", "y"))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    @DisplayName("S32, S44, S49–S51: every flipped bit of every file is caught or harmless; never a wrong byte, never a crash")
    void everyFlippedBitIsCaught() throws Exception {
        store(1).save(Samples.request(3, 2000), SaveOptions.RAW);
        int caught = 0;
        for (Path file : files()) {
            byte[] good = Files.readAllBytes(file);
            int stride = file.toString().endsWith(".pack") ? PACK_STRIDE : 1;
            for (int at = 0; at < good.length; at += stride) {
                byte[] bad = good.clone();
                bad[at] ^= (byte) (1 << (at % 8));
                Files.write(file, bad);
                caught += restoresOrIsRefused(3, 2000) ? 0 : 1;
            }
            Files.write(file, good);
        }
        assertThat(caught).isGreaterThan(1000);
        restoresOrIsRefused(3, 2000);
        Samples.assertRestores(newest(), 3, 2000, true);
    }

    @Test
    @DisplayName("S46, S51: a file cut at any length is refused, not an error of ours")
    void everyTruncationIsCaught() throws Exception {
        store(1).save(Samples.request(3, 2000), SaveOptions.RAW);
        for (Path file : files()) {
            byte[] good = Files.readAllBytes(file);
            for (int length = 0; length < good.length; length += Math.max(1, good.length / 200)) {
                Files.write(file, java.util.Arrays.copyOf(good, length));
                assertThat(restoresOrIsRefused(3, 2000)).as("%s cut to %d", file, length).isFalse();
            }
            Files.write(file, good);
        }
    }

    @Test
    @DisplayName("S49: two chunks that changed places are caught")
    void reorderedChunksAreCaught() throws Exception {
        store(1).save(Samples.request(3, 3 * Pack.CHUNK), SaveOptions.RAW);
        Path pack = files().stream().filter(file -> file.toString().endsWith(".pack")).findFirst().orElseThrow();
        try (FileChannel channel = FileChannel.open(pack, java.nio.file.StandardOpenOption.READ,
                java.nio.file.StandardOpenOption.WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(Pack.CHUNK);
            ByteBuffer two = ByteBuffer.allocate(Pack.CHUNK);
            long first = 2 * Pack.BLOCK;
            channel.read(one, first);
            channel.read(two, first + Pack.CHUNK);
            channel.write(two.flip(), first);
            channel.write(one.flip(), first + Pack.CHUNK);
        }

        assertThat(restoresOrIsRefused(3, 3 * Pack.CHUNK)).isFalse();
    }

    @Test
    @DisplayName("S6, S33: verification can be switched off; damage then passes")
    void verificationIsASwitch() throws Exception {
        store(1).save(Samples.request(3, LENGTH), SaveOptions.RAW);
        Path pack = files().stream().filter(file -> file.toString().endsWith(".pack")).findFirst().orElseThrow();
        byte[] bytes = Files.readAllBytes(pack);
        bytes[2 * Pack.BLOCK + 17] ^= 1;
        Files.write(pack, bytes);

        try (Restore restore = Restore.start(newest(), new HostDevice(1 << 20), new DiskFiles(),
                new Restore.Options(1, false))) {
            restore.await(null);
        }
        assertThatThrownBy(() -> Samples.assertRestores(newest(), 3, LENGTH, true)).isInstanceOf(RestoreException.class)
                .hasMessageContaining("damaged");
    }

    @Test
    @DisplayName("S60: a manifest of another version is passed over and not quarantined")
    void unknownVersion() throws Exception {
        Snapshot saved = store(1).save(Samples.request(3, LENGTH), SaveOptions.RAW);
        Path manifest = root.resolve("snapshots/" + saved.id() + "/manifest.json");
        Files.writeString(manifest,
                Files.readString(manifest).replace("\"formatVersion\" : 1", "\"formatVersion\" : 2"));

        assertThat(store(2).newest(Samples.KEY)).isEmpty();
        assertThat(manifest.resolveSibling("quarantined.json")).doesNotExist();
    }

    @Test
    @DisplayName("S62: a volume without room is refused before a byte is written, and the old snapshot stays")
    void volumeFullBefore() throws Exception {
        store(1).save(Samples.request(1, LENGTH), SaveOptions.RAW);
        SnapshotStore full = Samples.store(root, new FailingFiles(0, Integer.MAX_VALUE), 2);

        assertThatThrownBy(() -> full.save(Samples.request(2, LENGTH), SaveOptions.RAW))
                .isInstanceOf(VolumeFullException.class)
                .hasMessageContaining("0 left");
        Samples.assertRestores(newest(), 1, LENGTH, true);
    }

    @Test
    @DisplayName("S62: a volume that runs full at any write leaves the old snapshot and no new file")
    void volumeFullAtAnyWrite() throws Exception {
        store(1).save(Samples.request(1, LENGTH), SaveOptions.RAW);
        List<Path> before = files();
        for (int write = 0;; write++) {
            FailingFiles failing = new FailingFiles(Long.MAX_VALUE, write);
            try {
                Samples.store(root, failing, 2).save(Samples.request(2, LENGTH), SaveOptions.RAW);
                break;
            } catch (VolumeFullException full) {
                assertThat(files()).as("failed at write %d", write).isEqualTo(before);
                Samples.assertRestores(newest(), 1, LENGTH, true);
            }
        }
        Samples.assertRestores(newest(), 2, LENGTH, true);
    }

    @Test
    @DisplayName("S61: a cancelled restore ends its waiters and frees its memory")
    void cancel() throws Exception {
        store(1).save(Samples.request(3, 4 * Pack.CHUNK), SaveOptions.RAW);
        HostDevice device = new HostDevice(1 << 30);
        Restore restore = Restore.start(newest(), device, new DiskFiles(), new Restore.Options(1, true));
        restore.close();

        assertThat(device.usedBytes()).isZero();
    }

    private boolean restoresOrIsRefused(long seed, int length) throws Exception {
        for (Path mark : files()) {
            if (mark.endsWith("quarantined.json")) {
                Files.delete(mark);
            }
        }
        var found = store(9).newest(Samples.KEY);
        if (found.isEmpty()) {
            return false;
        }
        try {
            Samples.assertRestores(found.get(), seed, length, true);
            return true;
        } catch (RestoreException refused) {
            return false;
        }
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> walk = Files.walk(root)) {
            return new ArrayList<>(walk.filter(Files::isRegularFile).sorted().toList());
        }
    }

    /** A disk with so much room whose n-th write fails. */
    private static final class FailingFiles extends DiskFiles {
        private final long usable;
        private int writesLeft;

        FailingFiles(long usable, int writesLeft) {
            this.usable = usable;
            this.writesLeft = writesLeft;
        }

        @Override
        public Output create(Path file) throws IOException {
            Output real = super.create(file);
            return new Output() {
                @Override
                public void write(ByteBuffer bytes, long position) throws IOException {
                    if (writesLeft-- <= 0) {
                        throw new IOException("No space left on device");
                    }
                    real.write(bytes, position);
                }

                @Override
                public void sync() throws IOException {
                    real.sync();
                }

                @Override
                public void close() throws IOException {
                    real.close();
                }
            };
        }

        @Override
        public long usableBytes(Path folder) {
            return usable;
        }
    }
}
