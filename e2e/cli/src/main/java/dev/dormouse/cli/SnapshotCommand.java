package dev.dormouse.cli;

import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.store.CollectOptions;
import dev.dormouse.sidecar.store.CollectReport;
import dev.dormouse.sidecar.store.Listing;
import dev.dormouse.sidecar.store.PruneReport;
import dev.dormouse.sidecar.store.Refusal;
import dev.dormouse.sidecar.store.RetentionPolicy;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.VerifyReport;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** What is on a snapshot volume that is mounted here. Pods may go on saving and restoring meanwhile. */
@Command(name = "snapshot", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", subcommands = {
        SnapshotImportCommand.class,
        SnapshotExportCommand.class}, description = "Look at a snapshot volume, check it, free its room.")
final class SnapshotCommand implements Runnable {
    private static final Duration PATIENCE = Duration.ofMinutes(10);

    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec().commandLine(),
                "say what is to be done: list, inspect, verify, prune, import or export");
    }

    private CommandSpec spec() {
        if (spec == null) {
            throw new IllegalStateException("picocli sets it");
        }
        return spec;
    }

    private PrintWriter out() {
        return spec().commandLine().getOut();
    }

    @Command(name = "list", mixinStandardHelpOptions = true, description = "List snapshots, oldest first, and those that must not be used.")
    int list(@Mixin TrustOptions trust, @Parameters(paramLabel = "VOLUME") Path volume) throws IOException {
        Listing listing = visit(volume, trust).list();
        out().printf("%-36s %-20s %12s %12s  %s%n", "ID", "CREATED", "RAW", "STORED", "KEY");
        for (Snapshot snapshot : listing.snapshots()) {
            out().printf(Locale.ROOT, "%-36s %-20s %12d %12d  %.12s%s%n", snapshot.id(),
                    snapshot.createdAt().truncatedTo(ChronoUnit.SECONDS), snapshot.rawBytes(),
                    snapshot.storedBytes(), snapshot.key(), snapshot.pinned() ? "  pinned" : "");
        }
        for (Refusal refusal : listing.refused()) {
            out().printf("%-36s not usable: %s: %s%n", refusal.id(), refusal.reason(), refusal.message());
        }
        out().flush();
        return 0;
    }

    @Command(name = "inspect", mixinStandardHelpOptions = true, description = "Describe one snapshot: its compatibility, buffers, files and packs.")
    int inspect(@Mixin TrustOptions trust, @Parameters(paramLabel = "VOLUME") Path volume,
            @Parameters(paramLabel = "ID") String id)
            throws IOException {
        Snapshot snapshot = usable(visit(volume, trust), volume, id);
        out().printf("id       %s%nkey      %s%ncreated  %s%nraw      %d bytes%nstored   %d bytes%nweights  %s%n",
                snapshot.id(), snapshot.key(), snapshot.createdAt(), snapshot.rawBytes(), snapshot.storedBytes(),
                snapshot.manifest().weightsDigest());
        snapshot.compatibility()
                .entrySet()
                .stream()
                .sorted(Map.Entry.comparingByKey())
                .forEach(entry -> out().printf("requires %s = %s%n", entry.getKey(), entry.getValue()));
        snapshot.files().forEach(file -> out().printf("file     %s, %d bytes%n", file.name(), file.length()));
        snapshot.buffers()
                .forEach(buffer -> out().printf("buffer   %s, %s, %s %s, %d bytes%n", buffer.name(),
                        buffer.bufferType(), buffer.dtype(), buffer.shape(), buffer.length()));
        for (PackEntry pack : snapshot.manifest().packs()) {
            out().printf("pack     %s, %d bytes%s%n", pack.id(), pack.bytes(),
                    pack.id().startsWith(id) ? "" : ", of an older snapshot");
        }
        out().flush();
        return 0;
    }

    @Command(name = "verify", mixinStandardHelpOptions = true, description = "Read snapshots from end to end. Exit status 1 when one is damaged.")
    int verify(@Mixin TrustOptions trust, @Parameters(paramLabel = "VOLUME") Path volume,
            @Parameters(paramLabel = "ID", arity = "0..*", description = "Default: all.") @Nullable List<String> ids)
            throws IOException {
        SnapshotStore store = visit(volume, trust);
        List<String> chosen = ids == null || ids.isEmpty()
                ? store.list().snapshots().stream().map(Snapshot::id).toList()
                : ids;
        boolean intact = true;
        for (String id : chosen) {
            VerifyReport report = store.verify(id, Runtime.getRuntime().availableProcessors());
            out().printf("%s %s, %d chunks, %d bytes%n", id, report.intact() ? "intact" : "DAMAGED", report.chunks(),
                    report.rawBytes());
            report.problems().forEach(problem -> out().printf("  %s: %s%n", problem.reason(), problem.message()));
            intact &= report.intact();
        }
        out().flush();
        return intact ? 0 : 1;
    }

    @Command(name = "prune", mixinStandardHelpOptions = true, description = "Delete superseded snapshots and free what none needs. The newest of each key and pinned ones stay.")
    int prune(@Mixin TrustOptions trust, @Parameters(paramLabel = "VOLUME") Path volume,
            @Option(names = "--max-age", description = "Older ones go: PT12H, P7D.") @Nullable Duration maxAge,
            @Option(names = "--max-snapshots", description = "Of one key, the newest included.") int maxSnapshots,
            @Option(names = "--max-bytes", description = "Of all packs that are left.") long maxBytes,
            @Option(names = "--local", description = "Only this machine mounts the volume: do not wait for others.") boolean local)
            throws IOException, InterruptedException {
        RetentionPolicy policy;
        try {
            policy = new RetentionPolicy(maxAge, maxSnapshots, maxBytes);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec().commandLine(), e.getMessage(), e);
        }
        SnapshotStore store = visit(volume, trust);
        PruneReport pruned = store.prune(policy);
        pruned.deleted().forEach(expiry -> out().printf("deleted %s (%s)%n", expiry.id(), expiry.rule()));
        pruned.failed().forEach(refusal -> out().printf("kept    %s: %s%n", refusal.id(), refusal.message()));
        CollectReport report = store
                .collect(local ? CollectOptions.local() : CollectOptions.shared(PATIENCE));
        out().printf("freed   %d bytes: %d packs unlinked, %d rewritten%n", report.freedBytes(),
                report.unlinkedPacks(), report.rewrittenPacks());
        report.waitingFor().forEach(intent -> out().printf("in use  %s%n", intent));
        report.refused().forEach(id -> out().printf("newer   %s: nothing is collected beside it%n", id));
        out().flush();
        return pruned.failed().isEmpty() ? 0 : 1;
    }

    static Snapshot usable(SnapshotStore store, Path volume, String id) throws IOException {
        return store.list()
                .snapshots()
                .stream()
                .filter(candidate -> candidate.id().equals(id))
                .findFirst()
                .orElseThrow(() -> new IOException("there is no usable snapshot " + id + " on " + volume));
    }

    private static SnapshotStore visit(Path volume, TrustOptions trust) throws IOException {
        return SnapshotStore.visit(volume, Clock.systemUTC(), trust.load());
    }
}
