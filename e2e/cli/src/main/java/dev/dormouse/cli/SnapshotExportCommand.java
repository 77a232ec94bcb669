package dev.dormouse.cli;

import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.safetensors.SafetensorsExport;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The weights of a snapshot as safetensors files. */
@Command(name = "export", mixinStandardHelpOptions = true, description = "Write a snapshot's weights as safetensors files: the imported ones byte by byte, an engine's as model.safetensors.")
final class SnapshotExportCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "VOLUME")
    private Path volume = Path.of("");

    @Parameters(index = "1", paramLabel = "ID")
    private String id = "";

    @Parameters(index = "2", paramLabel = "FOLDER", description = "Made where it is missing; nothing in it is overwritten.")
    private Path folder = Path.of("");

    @Mixin
    private final TrustOptions trust = new TrustOptions();

    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws IOException, InterruptedException, RestoreException {
        if (spec == null) {
            throw new IllegalStateException("picocli sets it");
        }
        PrintWriter out = spec.commandLine().getOut();
        SnapshotStore store = SnapshotStore.visit(volume, Clock.systemUTC(), trust.load());
        Snapshot snapshot = SnapshotCommand.usable(store, volume, id);
        for (Path file : SafetensorsExport.run(store, snapshot, folder, RestoreOptions.verified())) {
            out.printf(Locale.ROOT, "%s, %d bytes%n", file, Files.size(file));
        }
        out.flush();
        return 0;
    }
}
