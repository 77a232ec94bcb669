package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.SnapshotId;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Frees what no snapshot refers to, while other pods save and restore. Needs no lock and no clock of another node:
 * <ol>
 * <li>mark: a pack that no manifest names, and whose own save is not under way, goes to the trash. Whoever publishes from
 * now on looks for its packs first and fails when one is there; whoever restores finds it there.
 * <li>wait until everything that was announced by then has ended: a save may have seen the pack before it went.
 * <li>mark again: what such a save has published since is put back, the rest is unlinked.
 * </ol>
 * Two collectors at once are slower, not dangerous. Nothing here has to be durable: what a crash undoes, the next
 * collection does again.
 */
final class Collector {
    /** Waits; an interface for tests, whose volumes settle when they are told to. */
    interface Pause {
        void pause(Duration time) throws InterruptedException;
    }

    private static final Logger LOG = LoggerFactory.getLogger(Collector.class);
    private static final Duration POLL = Duration.ofMillis(500);

    private final SnapshotFiles files;
    private final Catalog catalog;
    private final Intents intents;
    private final Remover remover;
    private final Compactor compactor;
    private final CollectOptions options;
    private final Pause pause;

    Collector(SnapshotFiles files, Catalog catalog, Intents intents, Remover remover, CollectOptions options,
            Pause pause) {
        this.files = files;
        this.catalog = catalog;
        this.intents = intents;
        this.remover = remover;
        this.compactor = new Compactor(files, catalog, intents.instance());
        this.options = options;
        this.pause = pause;
    }

    CollectReport collect() throws IOException, InterruptedException {
        remover.clean(options.gonePods());
        compactor.removeUnfinished();
        List<String> newer = catalog.contents().newer();
        if (!newer.isEmpty()) {
            LOG.warn("Nothing is collected beside snapshots of a newer version: {}", newer);
            return CollectReport.refused(newer);
        }
        moveDeadPacks();
        CollectReport report = new CollectReport(0, 0, 0, 0, List.of(), List.of());
        if (!VolumePaths.packIds(files.list(VolumePaths.TRASH)).isEmpty()) {
            pause.pause(options.settle());
            List<String> waitingFor = awaitOlder();
            if (!waitingFor.isEmpty()) {
                LOG.info("The trash stays until these have ended: {}", waitingFor);
                return CollectReport.waiting(waitingFor);
            }
            pause.pause(options.settle());
            report = emptyTrash();
        }
        return compact(report);
    }

    /** Packs are listed before intents, and those before manifests: a save that publishes meanwhile is seen in one. */
    private void moveDeadPacks() throws IOException {
        List<String> packs = VolumePaths.packIds(files.list(VolumePaths.PACKS));
        Set<String> beingSaved = intents.present()
                .stream()
                .filter(intent -> intent.kind() == Intent.Kind.Save)
                .map(Intent::snapshotId)
                .collect(Collectors.toSet());
        List<String> dead = catalog.contents()
                .dead(packs.stream().filter(pack -> !beingSaved.contains(SnapshotId.ofPack(pack))).toList());
        for (String pack : dead) {
            files.rename(VolumePaths.pack(pack), VolumePaths.trashed(pack));
        }
    }

    /** @return the names of those that did not end within the patience */
    private List<String> awaitOlder() throws IOException, InterruptedException {
        List<Intent> older = users();
        Duration left = options.patience();
        while (!older.isEmpty() && left.isPositive()) {
            pause.pause(POLL);
            left = left.minus(POLL);
            older = users().stream().filter(older::contains).toList();
        }
        return older.stream().map(Intent::fileName).toList();
    }

    private List<Intent> users() throws IOException {
        return intents.present()
                .stream()
                .filter(intent -> intent.kind() != Intent.Kind.Delete
                        && !intents.abandoned(intent, options.gonePods()))
                .toList();
    }

    private CollectReport emptyTrash() throws IOException {
        List<String> trash = VolumePaths.packIds(files.list(VolumePaths.TRASH));
        Set<String> dead = Set.copyOf(catalog.contents().dead(trash));
        long freed = 0;
        for (String pack : trash) {
            if (dead.contains(pack)) {
                freed += size(VolumePaths.trashed(pack));
                files.delete(VolumePaths.trashed(pack));
            } else {
                files.rename(VolumePaths.trashed(pack), VolumePaths.pack(pack));
            }
        }
        LOG.info("Unlinked {} packs, {} bytes", dead.size(), freed);
        return new CollectReport(dead.size(), trash.size() - dead.size(), 0, freed, List.of(), List.of());
    }

    private long size(String path) throws IOException {
        try (SnapshotFiles.OpenFile file = files.open(path)) {
            return file.size();
        }
    }

    /**
     * Only while nobody saves or restores: a save may refer to a chunk that no manifest names. Nobody does when there was
     * none before and after the manifests were read, and they are the same.
     */
    private CollectReport compact(CollectReport report) throws IOException, InterruptedException {
        Set<String> before = Set.copyOf(files.list(VolumePaths.SNAPSHOTS));
        if (!users().isEmpty()) {
            return report;
        }
        Compactor.Plan plan = compactor.plan();
        if (plan.isEmpty()) {
            return report;
        }
        pause.pause(options.settle());
        if (!users().isEmpty() || !Set.copyOf(files.list(VolumePaths.SNAPSHOTS)).equals(before)) {
            return report;
        }
        return report.rewrote(plan.packs().size(), compactor.rewrite(plan));
    }
}
