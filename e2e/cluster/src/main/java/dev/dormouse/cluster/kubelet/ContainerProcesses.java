package dev.dormouse.cluster.kubelet;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Every container process of one node. INVARIANT: after {@link #endAll} none lives and none can start, so that a node
 * leaves nothing behind.
 */
final class ContainerProcesses {
    private static final Logger LOG = LoggerFactory.getLogger(ContainerProcesses.class);

    private final Path pidFolder;
    private final String markPrefix;
    private final Set<ContainerProcess> live = ConcurrentHashMap.newKeySet();
    /** Starting shares it, ending takes it alone: no process starts unseen while the node ends. */
    private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock();
    private boolean closed;

    ContainerProcesses(Path nodeFolder) throws IOException {
        this.pidFolder = Files.createDirectories(nodeFolder.resolve("pids"));
        this.markPrefix = nodeFolder + ":";
    }

    /** Ends what an earlier node with this folder left when it was killed. */
    void endLeftovers() throws IOException {
        int left = 0;
        try (DirectoryStream<Path> pidFiles = Files.newDirectoryStream(pidFolder)) {
            for (Path pidFile : pidFiles) {
                ContainerProcess.killLeftover(pidFile);
                left++;
            }
        }
        ProcessTree.kill(ProcessTree.marked(markPrefix), markPrefix);
        if (left > 0) {
            LOG.info("Cleaned up {} containers of an earlier run under {}", left, pidFolder);
        }
    }

    /** @param container unique within the node and at most once at a time */
    ContainerProcess start(Launch launch, Path log, String container) throws IOException {
        gate.readLock().lock();
        try {
            if (closed) {
                throw new IOException("the node is shutting down");
            }
            ContainerProcess process = ContainerProcess.start(launch, log, markOf(container),
                    pidFolder.resolve(container));
            live.add(process);
            return process;
        } finally {
            gate.readLock().unlock();
        }
    }

    String markOf(String container) {
        return markPrefix + container;
    }

    /** To be called once the first process of a container has ended. */
    void ended(ContainerProcess process) throws IOException {
        process.sweep();
        live.remove(process);
    }

    /** SIGTERM to all, then SIGKILL to those that live after the grace. */
    void endAll(Duration grace) {
        gate.writeLock().lock();
        closed = true;
        gate.writeLock().unlock();
        live.forEach(ContainerProcess::terminate);
        CompletableFuture<?>[] ends = live.stream().map(ContainerProcess::end).toArray(CompletableFuture[]::new);
        try {
            CompletableFuture.allOf(ends).get(grace.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException _) {
            LOG.debug("Some containers ignored SIGTERM for {}", grace);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException e) {
            throw new IllegalStateException("waiting for a process cannot fail", e);
        }
        live.forEach(ContainerProcess::kill);
        ProcessTree.kill(ProcessTree.marked(markPrefix), markPrefix);
    }
}
