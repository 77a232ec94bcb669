package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.SnapshotSettings;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.format.ZstdLibrary;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import dev.dormouse.sidecar.trust.Trust;
import dev.dormouse.sidecar.trust.TrustException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Starts the sidecar. Exit status: 0 after SIGTERM, 1 when it cannot listen or is not fit, 2 for a bad
 * configuration. */
public final class AgentMain {
    private static final Logger LOG = LoggerFactory.getLogger(AgentMain.class);

    private AgentMain() {}

    public static void main(String[] arguments) throws InterruptedException {
        findNatives();
        if (System.getenv(SidecarEnvironment.STORE_TASK) != null) {
            workOnStore(System.getenv());
            return;
        }
        AgentConfig config;
        try {
            config = AgentConfig.fromEnvironment(System.getenv());
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse sidecar: " + e.getMessage());
            System.exit(2);
            return;
        }
        Trust trust;
        try {
            trust = config.snapshots() == null ? Trust.OFF : Trust.load(config.snapshots().trust());
        } catch (TrustException e) {
            // A sidecar that cannot prove anything must not start to trust everything.
            explain(config, "dormouse sidecar: " + e.getMessage());
            System.exit(2);
            return;
        }
        SnapshotStore store = open(config, trust);
        DeviceMemory device;
        try (Prefetch prefetch = gpu(config) ? Prefetch.begin(config, store) : null) {
            device = new Fitness(config, e -> unfit(config, e)).device();
        } catch (UnfitException e) {
            unfit(config, e);
            return;
        }
        Agent agent;
        try {
            Clock clock = Clock.systemUTC();
            agent = Agent.start(config, store, device, clock, StartTrace.of(System.getenv(), config.podUid(), clock));
        } catch (IOException e) {
            System.err.println("dormouse sidecar: " + e.getMessage());
            System.exit(1);
            return;
        }
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> stop(agent)));
        if (!agent.join()) {
            // Nobody asked it to stop: the socket broke, and without it the replica can do nothing.
            Runtime.getRuntime().halt(1);
        }
    }

    private static void findNatives() {
        try {
            ZstdLibrary.locate();
        } catch (IOException e) {
            LOG.warn("java.library.path cannot be read, zstd is unpacked into the temp folder", e);
        }
    }

    private static boolean gpu(AgentConfig config) {
        Memory memory = config.device().memory();
        return memory == Memory.Owned || memory == Memory.Ipc;
    }

    private static void unfit(AgentConfig config, UnfitException e) {
        explain(config, "dormouse sidecar: not fit (" + e.check() + "): " + e.getMessage());
        // Whatever threads a driver has left behind: they must not keep the process.
        Runtime.getRuntime().halt(1);
    }

    /** Said where people look: on standard error, and where the kubelet takes the reason of a container's end from. */
    private static void explain(AgentConfig config, String line) {
        System.err.println(line);
        Path log = config.fitness().terminationLog();
        try {
            if (Files.isWritable(log)) {
                Files.writeString(log, line);
            }
        } catch (IOException ignored) {
            // Standard error has it.
        }
    }

    /** Exit status 1 when the volume or the port cannot be used, 2 for a bad configuration. */
    private static void workOnStore(Map<String, String> environment) throws InterruptedException {
        try {
            StoreTask task = StorePod.parse(environment.getOrDefault(SidecarEnvironment.STORE_TASK, ""));
            AgentConfig config = AgentConfig.fromEnvironment(environment);
            SnapshotSettings settings = config.snapshots();
            if (settings == null) {
                throw new IllegalArgumentException(SidecarEnvironment.VOLUME + " is not set");
            }
            StorePod.listen(config.podIp(), config.httpPort(), config.tls())
                    .carryOut(task, settings.volume(), Clock.systemUTC(), StorePod.Keys.of(settings.trust()));
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse store: " + e.getMessage());
            System.exit(2);
        } catch (IOException | IllegalStateException e) {
            System.err.println("dormouse store: " + e.getMessage());
            System.exit(1);
        }
    }

    /** A volume that cannot be used costs the snapshots, not the replica. */
    private static @Nullable SnapshotStore open(AgentConfig config, Trust trust) {
        SnapshotSettings settings = config.snapshots();
        if (settings == null) {
            return null;
        }
        try {
            return SnapshotStore.open(settings.volume(), Writer.inPod(config.podUid()), Clock.systemUTC(), trust);
        } catch (IOException e) {
            LOG.error("the snapshot volume {} cannot be used, snapshots are off", settings.volume(), e);
            return null;
        }
    }

    private static void stop(Agent agent) {
        try {
            agent.close();
        } catch (IOException e) {
            LOG.warn("stopping", e);
        }
        // The JVM would say 143 for a SIGTERM that it has answered well.
        Runtime.getRuntime().halt(0);
    }
}
