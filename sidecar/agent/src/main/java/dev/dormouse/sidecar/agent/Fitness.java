package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.FitnessSettings;
import dev.dormouse.sidecar.agent.AgentConfig.SnapshotSettings;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import dev.dormouse.sidecar.device.CopyCheck;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.host.HostFiles;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What must hold before this sidecar takes its first engine, in order, each timed (BR10, BR11). A GPU that cannot be
 * initialized, or brings other bytes back than it was given, is better found here than by a request.
 */
final class Fitness {
    static final List<String> NAMES = List.of("memory", "disk", "driver", "device", "copy");

    private static final Logger LOG = LoggerFactory.getLogger(Fitness.class);

    private final AgentConfig config;
    private final FitnessSettings settings;
    private final Consumer<UnfitException> hung;
    private final CountDownLatch answered = new CountDownLatch(1);
    private volatile String asking = "driver";

    /** @param hung ends the process: a driver that does not come back cannot be interrupted */
    Fitness(AgentConfig config, Consumer<UnfitException> hung) {
        this.hung = hung;
        this.config = config;
        this.settings = config.fitness();
    }

    private interface Check {
        void run() throws Exception;
    }

    /**
     * Opens the device between the checks that come before it and those it must pass.
     *
     * @throws UnfitException naming the first check that failed
     */
    DeviceMemory device() throws UnfitException {
        check("memory", this::memory);
        check("disk", this::disk);
        Memory kind = config.device().memory();
        boolean gpu = kind == Memory.Owned || kind == Memory.Ipc;
        if (!gpu) {
            return open();
        }
        Thread.ofPlatform().daemon().name("fitness").start(this::watch);
        try {
            check("driver", this::driver);
            asking = "device";
            DeviceMemory device = open();
            asking = "copy";
            check("copy", () -> CopyCheck.run(device));
            return device;
        } finally {
            answered.countDown();
        }
    }

    private void watch() {
        Duration limit = settings.deviceWithin();
        try {
            if (!answered.await(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                hung.accept(new UnfitException(asking, "the GPU has not answered within " + limit.toSeconds()
                        + " s: look for Xid errors in the node's kernel log, drain the node"));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private DeviceMemory open() throws UnfitException {
        long start = System.nanoTime();
        try {
            DeviceMemory device = Devices.open(config.device());
            LOG.info("fitness: device {}{} in {} ms", device.mode(), device.uuid() == null ? "" : " " + device.uuid(),
                    (System.nanoTime() - start) / 1_000_000);
            return device;
        } catch (IOException | CudaUnavailableException | RuntimeException e) {
            throw new UnfitException("device", String.valueOf(e.getMessage()), e);
        }
    }

    private void check(String name, Check check) throws UnfitException {
        if (settings.skip().contains(name)) {
            LOG.info("fitness: {} skipped", name);
            return;
        }
        long start = System.nanoTime();
        try {
            check.run();
        } catch (Exception e) {
            throw new UnfitException(name, String.valueOf(e.getMessage()), e);
        }
        LOG.info("fitness: {} in {} ms", name, (System.nanoTime() - start) / 1_000_000);
    }

    private void memory() throws IOException {
        long limit = HostFiles.OF_THIS_CONTAINER.memoryLimitBytes();
        if (limit < (long) settings.memoryMib() << 20) {
            throw new IOException("this container may use " + (limit >> 20) + " MiB of memory, " + settings.memoryMib()
                    + " are needed: raise the sidecar's memory limit");
        }
    }

    /** Of the volume; one that is not there costs the snapshots and not the replica, which is said elsewhere. */
    private void disk() throws IOException {
        SnapshotSettings snapshots = config.snapshots();
        Path volume = snapshots == null ? null : existing(snapshots.volume());
        if (volume == null) {
            return;
        }
        FileStore store = Files.getFileStore(volume);
        long total = store.getTotalSpace();
        long free = store.getUsableSpace();
        if (total > 0 && free * 100 < total * settings.diskPercent()) {
            // A full volume makes the next save fail; it restores as well as ever.
            LOG.warn(
                    "fitness: {} of {} MiB are free on the snapshot volume, less than {} %: the next snapshot may not fit",
                    free >> 20, total >> 20, settings.diskPercent());
        }
    }

    private static @Nullable Path existing(Path volume) {
        return Files.isDirectory(volume) ? volume : null;
    }

    private void driver() throws CudaUnavailableException {
        int version = CudaContext.driverVersion();
        if (version < settings.driver()) {
            throw new CudaUnavailableException("the driver speaks CUDA " + version / 1_000 + "." + version % 1_000 / 10
                    + ", " + settings.driver() / 1_000 + "." + settings.driver() % 1_000 / 10
                    + " is needed: update the NVIDIA driver of the node");
        }
    }
}
