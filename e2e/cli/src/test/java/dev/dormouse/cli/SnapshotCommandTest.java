package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.SaveRequest;
import dev.dormouse.sidecar.store.SaveRequest.SavedFile;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class SnapshotCommandTest {
    private static final String KEY = "0123456789abcdef";

    @TempDir
    Path volume;
    @TempDir
    Path folder;
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private String older = "";
    private String newer = "";

    @BeforeEach
    void twoSnapshots() throws Exception {
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("pod"), Clock.systemUTC());
        older = save(store, "one", 1);
        newer = save(store, "two", 2);
    }

    private String save(SnapshotStore store, String content, int second) throws Exception {
        Path file = Files.writeString(folder.resolve(content), content);
        try (var device = new HostDevice(1 << 20)) {
            return store.save(new SaveRequest(KEY, Map.of("dtype", "bf16"), Instant.ofEpochSecond(second), List.of(),
                    List.of(new SavedFile("graph.onnx", file))), device, SaveOptions.of(Compression.None, 3),
                    ProgressListener.NONE).id();
        }
    }

    @Test
    void listsWhatIsOnTheVolume() {
        assertThat(run("list", volume.toString())).isZero();

        assertThat(out.toString().lines()).hasSize(3)
                .last()
                .asString()
                .startsWith(newer)
                .contains("1970-01-01T00:00:02Z");
    }

    @Test
    void describesOneSnapshot() {
        assertThat(run("inspect", volume.toString(), older)).isZero();

        assertThat(out.toString()).contains("requires dtype = bf16", "file     graph.onnx, 3 bytes",
                "pack     " + older + "-0000");
    }

    @Test
    void verifiesAllAndNamesDamage() throws Exception {
        assertThat(run("verify", volume.toString())).isZero();
        Path pack = volume.resolve("packs").resolve(older + "-0000.pack");
        byte[] bytes = Files.readAllBytes(pack);
        bytes[4096] ^= 1;
        Files.write(pack, bytes);

        assertThat(run("verify", volume.toString())).isEqualTo(1);

        assertThat(out.toString()).contains(older + " DAMAGED", "ChecksumMismatch", newer + " intact");
    }

    @Test
    void prunesWhatIsSuperseded() {
        assertThat(run("prune", "--max-snapshots", "1", "--local", volume.toString())).isZero();

        assertThat(out.toString()).contains("deleted " + older + " (maxSnapshots)", "1 packs unlinked");
        assertThat(volume.resolve("packs").resolve(older + "-0000.pack")).doesNotExist();
        assertThat(volume.resolve("packs").resolve(newer + "-0000.pack")).exists();
    }

    @Test
    void aFolderThatIsNoVolumeIsLeftAsItIs() throws Exception {
        Path other = Files.createDirectory(folder.resolve("home"));

        assertThat(run("list", other.toString())).isNotZero();
        assertThat(run("prune", "--local", other.toString())).isNotZero();

        assertThat(other).isEmptyDirectory();
    }

    @Test
    void importsSafetensorsAndExportsThemAgain() throws Exception {
        Path fresh = Files.createDirectory(folder.resolve("fresh"));
        Path model = safetensors(folder.resolve("model.safetensors"));

        assertThat(run("import", "--key", KEY, "--require", "engine=torch", fresh.toString(), model.toString()))
                .isZero();
        String id = out.toString().substring(0, out.toString().indexOf(':'));
        assertThat(run("inspect", fresh.toString(), id)).isZero();
        assertThat(run("export", fresh.toString(), id, folder.resolve("out").toString())).isZero();

        assertThat(out.toString()).contains(": 1 tensors of 1 files", "requires engine = torch",
                "buffer   weight, Weights, f32 [2], 8 bytes");
        assertThat(folder.resolve("out/model.safetensors")).hasSameBinaryContentAs(model);
    }

    @Test
    @DisplayName("S50: an encrypted volume is read with its key, and not without it or under another name")
    void anEncryptedVolumeNeedsItsKey() throws Exception {
        Path fresh = Files.createDirectory(folder.resolve("fresh"));
        Path model = safetensors(folder.resolve("model.safetensors"));
        Path keys = Files.createDirectory(folder.resolve("keys"));
        Files.write(keys.resolve("2026"), new byte[32]);
        String[] key = {"--wrapping-keys", keys.toString(), "--volume-id", "tenant"};

        assertThat(run(all(key, "import", "--key", KEY, fresh.toString(), model.toString()))).isZero();
        String id = out.toString().substring(0, out.toString().indexOf(':'));

        assertThat(run(all(key, "verify", fresh.toString()))).isZero();
        assertThat(run(all(key, "export", fresh.toString(), id, folder.resolve("out").toString()))).isZero();
        assertThat(folder.resolve("out/model.safetensors")).hasSameBinaryContentAs(model);
        assertThat(run("export", fresh.toString(), id, folder.resolve("other").toString())).isNotZero();
        assertThat(run("export", "--wrapping-keys", keys.toString(), "--volume-id", "stranger", fresh.toString(), id,
                folder.resolve("other").toString())).isNotZero();
        assertThat(folder.resolve("other/model.safetensors")).doesNotExist();
    }

    private static String[] all(String[] options, String command, String... arguments) {
        return Stream.of(Stream.of(command), Stream.of(options), Stream.of(arguments))
                .flatMap(words -> words)
                .toArray(String[]::new);
    }

    @Test
    void importsOnlyIntoVolumesAndOnlyGoodFiles() throws Exception {
        Path model = safetensors(folder.resolve("model.safetensors"));

        assertThat(run("import", "--key", KEY, folder.toString(), model.toString())).isEqualTo(1);
        assertThat(run("import", "--key", KEY, volume.toString(), folder.resolve("one").toString())).isEqualTo(1);
        assertThat(run("import", volume.toString(), model.toString())).isEqualTo(2);

        assertThat(folder.resolve("snapshots")).doesNotExist();
        assertThat(err.toString()).contains(folder + " is neither a snapshot volume nor empty",
                "one: has 3 bytes; the length of its header alone takes 8", "--key");
    }

    private static Path safetensors(Path file) throws Exception {
        byte[] header = "{\"weight\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}".getBytes(
                StandardCharsets.UTF_8);
        return Files.write(file, ByteBuffer.allocate(8 + header.length + 8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header)
                .putLong(0x0102030405060708L)
                .array());
    }

    @Test
    void aPolicyThatMakesNoSenseIsAUsageError() {
        assertThat(run("prune", "--max-snapshots", "-1", volume.toString())).isEqualTo(2);
        assertThat(run()).isEqualTo(2);
    }

    private int run(String... arguments) {
        return new CommandLine(new SnapshotCommand()).setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err, true))
                .setExecutionExceptionHandler(Dormouse::report)
                .execute(arguments);
    }
}
