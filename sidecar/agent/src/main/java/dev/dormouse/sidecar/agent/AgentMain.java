package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.store.DiskFiles;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.IOException;
import java.time.Clock;
import java.util.Optional;
import java.util.random.RandomGenerator;

/** The sidecar's process. */
public final class AgentMain {
    private AgentMain() {}

    public static void main(String[] args) throws IOException {
        AgentConfig config;
        try {
            config = AgentConfig.parse(System.getenv());
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse sidecar: " + e.getMessage());
            System.exit(2);
            return;
        }
        Clock clock = Clock.systemUTC();
        DiskFiles files = new DiskFiles();
        Optional<SnapshotStore> store = config.volume()
                .map(root -> new SnapshotStore(root, files, clock, RandomGenerator.of("SecureRandom")));
        Agent agent = Agent.start(config, new HostDevice(hostMemory()), files, store, clock);
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().name("stop").unstarted(agent::close));
        agent.serve();
    }

    /** Host memory stands in for a device's: all of the machine's or the container's. */
    private static long hostMemory() {
        return ((com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory
                .getOperatingSystemMXBean()).getTotalMemorySize();
    }
}
