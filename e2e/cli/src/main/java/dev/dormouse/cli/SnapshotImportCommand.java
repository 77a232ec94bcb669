package dev.dormouse.cli;

import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.safetensors.SafetensorsImport;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** A snapshot out of safetensors files, so that even the first start of a model is a restore. */
@Command(name = "import", mixinStandardHelpOptions = true, description = "Make a snapshot of safetensors files.")
final class SnapshotImportCommand implements Callable<Integer> {
    private static final String SUFFIX = ".safetensors";
    private static final int PROGRESS_STEP_PERCENT = 10;

    @Parameters(index = "0", paramLabel = "VOLUME", description = "A snapshot volume, or an empty folder to become one.")
    private Path volume = Path.of("");

    @Parameters(index = "1..*", arity = "1..*", paramLabel = "FILE", description = "Files, or folders whose *.safetensors are meant.")
    private List<Path> models = List.of();

    @Option(names = "--key", required = true, description = "Which snapshots are interchangeable: $DORMOUSE_SNAPSHOT_KEY of a model's sidecar.")
    private String key = "";

    @Option(names = "--require", paramLabel = "NAME=VALUE", description = "What an engine must say of itself to be given this snapshot, e.g. engine=torch, engine.version=2.6.0.")
    private Map<String, String> compatibility = Map.of();

    @Option(names = "--file", paramLabel = "NAME=PATH", description = "What an engine needs beside weights: its configuration, its tokenizer.")
    private Map<String, Path> files = Map.of();

    @Option(names = "--compression", description = "${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    private Compression compression = Compression.None;

    @Option(names = "--level", description = "1 to 22, for zstd. Default: ${DEFAULT-VALUE}.")
    private int level = SaveOptions.DEFAULT_LEVEL;

    @Mixin
    private final TrustOptions trust = new TrustOptions();

    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws IOException, InvalidSnapshotException {
        CommandSpec command = spec;
        if (command == null) {
            throw new IllegalStateException("picocli sets it");
        }
        SaveOptions options;
        try {
            options = SaveOptions.of(compression, level);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(command.commandLine(), e.getMessage(), e);
        }
        PrintWriter out = command.commandLine().getOut();
        Clock clock = Clock.systemUTC();
        List<Path> chosen = chosen();
        Snapshot snapshot = SafetensorsImport.run(open(clock),
                new SafetensorsImport.Request(key, compatibility, clock.instant(), chosen, files), options,
                progress(command.commandLine().getErr()));
        out.printf(Locale.ROOT, "%s: %d tensors of %d files, %d bytes, %d stored%n", snapshot.id(),
                snapshot.buffers().size(), chosen.size(), snapshot.rawBytes(), snapshot.storedBytes());
        out.flush();
        return 0;
    }

    private List<Path> chosen() throws IOException {
        List<Path> chosen = new ArrayList<>();
        for (Path model : models) {
            if (!Files.isDirectory(model)) {
                chosen.add(model);
                continue;
            }
            try (DirectoryStream<Path> found = Files.newDirectoryStream(model, "*" + SUFFIX)) {
                List<Path> inside = new ArrayList<>();
                found.forEach(inside::add);
                if (inside.isEmpty()) {
                    throw new IOException(model + " holds no file that ends in " + SUFFIX);
                }
                chosen.addAll(inside.stream().sorted().toList());
            }
        }
        return chosen;
    }

    /** Under a name that no pod has: nothing of a pod's is taken for an earlier life of this process. */
    private SnapshotStore open(Clock clock) throws IOException {
        if (!Files.isDirectory(volume)) {
            throw new NotDirectoryException(volume.toString());
        }
        if (!SnapshotStore.isVolume(volume)) {
            try (DirectoryStream<Path> content = Files.newDirectoryStream(volume)) {
                if (content.iterator().hasNext()) {
                    throw new IOException(volume + " is neither a snapshot volume nor empty");
                }
            }
        }
        return SnapshotStore.open(volume, Writer.inPod("import-" + UUID.randomUUID()), clock, trust.load());
    }

    private static ProgressListener progress(PrintWriter err) {
        var shown = new AtomicInteger();
        return (bytes, total) -> {
            int percent = (int) (100 * bytes / total) / PROGRESS_STEP_PERCENT * PROGRESS_STEP_PERCENT;
            if (shown.getAndAccumulate(percent, Math::max) < percent) {
                err.printf(Locale.ROOT, "%3d %% of %d bytes%n", percent, total);
                err.flush();
            }
        };
    }
}
