package dev.dormouse.sidecar.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.RestoreTask;
import dev.dormouse.sidecar.store.SampleModel;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsRoundTripTest {
    private static final SaveOptions OPTIONS = new SaveOptions(Compression.None, 3, Set.of(BufferType.Weights), 4096, 2,
            true);

    @TempDir
    Path volume;
    @TempDir
    Path folder;
    private final Random random = new Random(11);
    private SnapshotStore store;

    @BeforeEach
    void openStore() throws IOException {
        store = SnapshotStore.open(volume, Writer.inPod("pod"), Clock.systemUTC());
    }

    @Test
    void filesComeBackByteByByte() throws Exception {
        Path first = model("model-00001-of-00002.safetensors", "  ", "first", Dtype.BF16, 10_001, Dtype.U8, 3,
                Dtype.F32, 5_000, Dtype.BF16, 0);
        Path second = model("model-00002-of-00002.safetensors", "", "second", Dtype.F8_E4M3, 4096, Dtype.I64, 513);
        Path config = Files.writeString(folder.resolve("config.json"), "{}");

        Snapshot snapshot = SafetensorsImport.run(store, request(Map.of("config.json", config), first, second), OPTIONS,
                ProgressListener.NONE);
        List<Path> exported = export(snapshot);

        assertThat(exported).extracting(Path::getFileName).containsExactly(first.getFileName(), second.getFileName());
        assertThat(exported.get(0)).hasSameBinaryContentAs(first);
        assertThat(exported.get(1)).hasSameBinaryContentAs(second);
        assertThat(store.readFile(snapshot, "config.json")).asString().isEqualTo("{}");
        assertThat(store.verify(snapshot.id(), 1).intact()).isTrue();
    }

    /** Design §7: one element width per allocation; places that a GPU reads well. */
    @Test
    void tensorsBecomeBuffersThatAnEngineCanUse() throws Exception {
        Path file = model("m.safetensors", "", "t", Dtype.F32, 7, Dtype.BF16, 300, Dtype.F32, 1000, Dtype.U8, 5);

        Snapshot snapshot = SafetensorsImport.run(store, request(Map.of(), file), OPTIONS, ProgressListener.NONE);

        assertThat(snapshot.buffers()).extracting(BufferMeta::name).containsExactly("t0", "t1", "t2", "t3");
        assertThat(snapshot.buffers()).allSatisfy(buffer -> assertThat(buffer.offset() % 256).isZero());
        assertThat(snapshot.buffers()).extracting(BufferMeta::dtype).containsExactly("f32", "bf16", "f32", "u8");
        assertThat(snapshot.buffers()).extracting(BufferMeta::allocation).containsExactly(0, 1, 0, 2);
        try (var device = new HostDevice(1 << 20);
                RestoreTask task = store.restore(snapshot, device, RestoreOptions.verified())) {
            task.done().get();
            Map<String, byte[]> restored = SampleModel.restored(task, device);
            byte[] whole = Files.readAllBytes(file);
            int data = whole.length - (28 + 600 + 4000 + 5);
            assertThat(restored.get("t0")).isEqualTo(Arrays.copyOfRange(whole, data, data + 28));
            assertThat(restored.get("t3")).isEqualTo(Arrays.copyOfRange(whole, whole.length - 5, whole.length));
        }
    }

    @Test
    void anImportOfTheSameWeightsSharesThem() throws Exception {
        Path file = model("m.safetensors", "", "t", Dtype.BF16, 100_000);
        SafetensorsImport.run(store, request(Map.of(), file), OPTIONS, ProgressListener.NONE);
        long before = volumeBytes();

        SafetensorsImport.run(store, request(Map.of(), file), OPTIONS, ProgressListener.NONE);

        assertThat(volumeBytes() - before).isLessThan(20_000);
    }

    @Test
    void anEnginesSnapshotIsExportedAsOneFile() throws Exception {
        try (var model = new SampleModel(folder, 3)) {
            byte[] shared = model.random(5_000);
            Allocation allocation = model.allocation(BufferType.Weights, shared);
            model.buffer("tied", allocation, 0, shared).buffer("head", allocation, 0, shared);
            model.buffer("other", BufferType.Weights, model.random(9_000)).file("graph", model.random(10));
            Snapshot snapshot = store.save(model.request(Instant.EPOCH), model.device(), OPTIONS,
                    ProgressListener.NONE);

            Path exported = export(snapshot).getFirst();

            try (FileChannel file = FileChannel.open(exported)) {
                Header header = Header.read((into, position) -> file.read(into, position), file.size(), "exported");
                assertThat(header.tensors()).extracting(Tensor::name).containsExactly("head", "other", "tied");
                byte[] whole = Files.readAllBytes(exported);
                for (Tensor tensor : header.tensors()) {
                    int from = header.bytes().length + (int) tensor.offset();
                    assertThat(Arrays.copyOfRange(whole, from, from + (int) tensor.length()))
                            .isEqualTo(model.contents().get(tensor.name()));
                }
            }
        }
    }

    @Test
    void aHostileFileLeavesTheVolumeAsItIs() throws Exception {
        Path good = model("good.safetensors", "", "t", Dtype.U8, 10);
        Path bad = SafetensorsFile.write(folder.resolve("bad.safetensors"),
                "{\"t0\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", new byte[1]);

        assertThatExceptionOfType(InvalidSafetensorsException.class)
                .isThrownBy(() -> SafetensorsImport.run(store, request(Map.of(), good, bad), OPTIONS,
                        ProgressListener.NONE))
                .withMessage("bad.safetensors: tensor 't0' is in good.safetensors too");
        assertThatThrownBy(() -> SafetensorsImport.run(store, request(Map.of("../x", good), good), OPTIONS,
                ProgressListener.NONE)).isInstanceOf(InvalidSnapshotException.class).hasMessageContaining("../x");

        assertThat(volume.resolve("snapshots")).isEmptyDirectory();
        assertThat(volume.resolve("intents")).isEmptyDirectory();
    }

    @Test
    void aFileThatShrinksWhileItIsReadLeavesNothing() throws Exception {
        Path file = model("m.safetensors", "", "t", Dtype.U8, 100_000);

        assertThatThrownBy(() -> SafetensorsImport.run(store, request(Map.of(), file), OPTIONS, (done, total) -> {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(10_000);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        })).isInstanceOf(IOException.class).hasMessageContaining("shorter");

        assertThat(store.list().snapshots()).isEmpty();
        assertThat(volume.resolve("packs")).isEmptyDirectory();
    }

    @Test
    void exportOverwritesNothingAndLeavesNoHalfFile() throws Exception {
        Path file = model("m.safetensors", "", "t", Dtype.U8, 100_000);
        Snapshot snapshot = SafetensorsImport.run(store, request(Map.of(), file), OPTIONS, ProgressListener.NONE);
        Path out = folder.resolve("out");
        Files.createDirectory(out);
        Files.writeString(out.resolve("m.safetensors"), "mine");

        assertThatThrownBy(() -> export(snapshot)).isInstanceOf(FileAlreadyExistsException.class);
        assertThat(out.resolve("m.safetensors")).hasContent("mine");

        Files.delete(out.resolve("m.safetensors"));
        Path pack = volume.resolve("packs").resolve(snapshot.id() + "-0000.pack");
        byte[] bytes = Files.readAllBytes(pack);
        bytes[4096] ^= 1;
        Files.write(pack, bytes);
        assertThatThrownBy(() -> export(snapshot)).isInstanceOf(RestoreException.class)
                .hasMessageContaining("CRC32C");
        assertThat(out).isEmptyDirectory();
    }

    private List<Path> export(Snapshot snapshot) throws Exception {
        return SafetensorsExport.run(store, snapshot, folder.resolve("out"), RestoreOptions.verified());
    }

    private static SafetensorsImport.Request request(Map<String, Path> files, Path... models) {
        return new SafetensorsImport.Request(SampleModel.KEY, Map.of("engine", "sample 1"), Instant.EPOCH,
                List.of(models), files);
    }

    /** Tensors {@code prefix0}, {@code prefix1} … of the given types and numbers of elements. */
    private Path model(String name, String padding, String prefix, Object... typesAndCounts) throws IOException {
        var entries = new ArrayList<String>();
        int end = 0;
        for (int i = 0; i < typesAndCounts.length; i += 2) {
            Dtype dtype = (Dtype) typesAndCounts[i];
            int count = (Integer) typesAndCounts[i + 1];
            int begin = end;
            end += (int) dtype.bytes(List.of((long) count));
            entries.add("\"%s%d\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[%d,%d]}".formatted(prefix, i / 2,
                    dtype, count, begin, end));
        }
        byte[] data = new byte[end];
        random.nextBytes(data);
        return SafetensorsFile.write(folder.resolve(name), "{" + String.join(",", entries) + "}" + padding, data);
    }

    private long volumeBytes() throws IOException {
        long bytes = 0;
        try (var packs = Files.newDirectoryStream(volume.resolve("packs"))) {
            for (Path pack : packs) {
                bytes += Files.size(pack);
            }
        }
        return bytes;
    }
}
