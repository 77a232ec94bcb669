package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerPort;
import io.fabric8.kubernetes.api.model.HTTPGetAction;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Probe;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.net.ssl.HttpsURLConnection;

/**
 * Carries out one probe of one running container again and again, on a thread of its own, until interrupted. It only
 * reports; what a failure means is counted by {@link ProbeTally} and decided by the pod's worker.
 */
final class Probing {
    enum Kind {
        STARTUP, READINESS, LIVENESS;

        Optional<Probe> of(Container container) {
            return Optional.ofNullable(switch (this) {
                case STARTUP -> container.getStartupProbe();
                case READINESS -> container.getReadinessProbe();
                case LIVENESS -> container.getLivenessProbe();
            });
        }

        /** As in "Readiness probe failed". */
        String title() {
            return name().charAt(0) + name().substring(1).toLowerCase(java.util.Locale.ROOT);
        }
    }

    /** One look at the container; empty when all is well, else what is wrong. */
    private interface Check {
        Optional<String> look(Duration timeout) throws IOException, InterruptedException;
    }

    private final Probe probe;
    private final Check check;

    private Probing(Probe probe, Check check) {
        this.probe = probe;
        this.check = check;
    }

    /**
     * @param launch the container's environment, for exec probes
     * @param mounts replaces mount paths in exec commands
     * @throws NotRunnable when a process node cannot carry out this kind of probe
     */
    static Probing of(Probe probe, Container container, String podIp, Launch launch, MountPaths mounts, String mark)
            throws NotRunnable {
        if (probe.getHttpGet() != null) {
            HTTPGetAction get = probe.getHttpGet();
            int port = port(container, get.getPort());
            return new Probing(probe,
                    timeout -> http(get, Objects.requireNonNullElse(get.getHost(), podIp), port, timeout));
        }
        if (probe.getTcpSocket() != null) {
            int port = port(container, probe.getTcpSocket().getPort());
            String host = Objects.requireNonNullElse(probe.getTcpSocket().getHost(), podIp);
            return new Probing(probe, timeout -> tcp(host, port, timeout));
        }
        if (probe.getExec() != null && !probe.getExec().getCommand().isEmpty()) {
            List<String> command = probe.getExec().getCommand().stream().map(mounts::replace).toList();
            Launch exec = new Launch(command, launch.environment(), launch.workingDirectory());
            return new Probing(probe, timeout -> exec(exec, mark, timeout));
        }
        throw NotRunnable.config("container %s: a process node knows the probes httpGet, tcpSocket and exec",
                container.getName());
    }

    private static int port(Container container, IntOrString port) throws NotRunnable {
        if (port.getIntVal() != null) {
            return port.getIntVal();
        }
        return container.getPorts()
                .stream()
                .filter(p -> port.getStrVal().equals(p.getName()))
                .map(ContainerPort::getContainerPort)
                .findFirst()
                .orElseThrow(() -> NotRunnable.config("container %s: a probe names port \"%s\", which it does not have",
                        container.getName(), port.getStrVal()));
    }

    /**
     * Starts probing; the first look is right after {@code initialDelaySeconds}.
     *
     * @param every time between two looks when it is not {@code periodSeconds}; failures then count once per period
     * @param report gets empty for success, else what is wrong
     */
    Thread start(String name, Optional<Duration> every, Consumer<Optional<String>> report) {
        return Thread.ofVirtual().name(name).start(() -> {
            try {
                Thread.sleep(seconds(probe.getInitialDelaySeconds(), 0));
                repeat(every.orElse(period()), report);
            } catch (InterruptedException _) {
                // The container ended or is being stopped: nobody listens any more, and the thread ends here.
                Thread.currentThread().interrupt();
            }
        });
    }

    private void repeat(Duration interval, Consumer<Optional<String>> report) throws InterruptedException {
        long periodStart = System.nanoTime();
        while (true) {
            Optional<String> failure = look();
            boolean periodOver = System.nanoTime() - periodStart >= period().toNanos();
            if (failure.isEmpty() || periodOver || interval.compareTo(period()) >= 0) {
                report.accept(failure);
                periodStart = System.nanoTime();
            }
            Thread.sleep(interval);
        }
    }

    private Optional<String> look() throws InterruptedException {
        try {
            return check.look(seconds(probe.getTimeoutSeconds(), 1));
        } catch (IOException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }

    private Duration period() {
        return seconds(probe.getPeriodSeconds(), 10);
    }

    private static Duration seconds(@org.jspecify.annotations.Nullable Integer value, int otherwise) {
        return Duration.ofSeconds(value == null ? otherwise : value);
    }

    private static Optional<String> http(HTTPGetAction get, String host, int port, Duration timeout)
            throws IOException {
        String path = get.getPath() == null || get.getPath().isEmpty() ? "/" : get.getPath();
        String scheme = "HTTPS".equals(get.getScheme()) ? "https" : "http";
        HttpURLConnection connection;
        try {
            URI uri = new URI(scheme, null, host, port, null, null, null)
                    .resolve(path.startsWith("/") ? path : "/" + path);
            connection = (HttpURLConnection) uri.toURL().openConnection();
        } catch (URISyntaxException | IllegalArgumentException e) {
            return Optional.of("not a URL: " + scheme + "://" + host + ":" + port + path + ": " + e.getMessage());
        }
        if (connection instanceof HttpsURLConnection https) {
            Unverified.probe(https);
        }
        connection.setConnectTimeout(Math.toIntExact(timeout.toMillis()));
        connection.setReadTimeout(Math.toIntExact(timeout.toMillis()));
        connection.setRequestProperty("User-Agent", "kube-probe/1.34+process");
        connection.setRequestProperty("Connection", "close");
        if (get.getHttpHeaders() != null) {
            get.getHttpHeaders().forEach(h -> connection.setRequestProperty(h.getName(), h.getValue()));
        }
        try {
            int status = connection.getResponseCode();
            return status >= 200 && status < 400
                    ? Optional.empty()
                    : Optional.of("HTTP probe failed with statuscode: " + status);
        } finally {
            connection.disconnect();
        }
    }

    private static Optional<String> tcp(String host, int port, Duration timeout) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, port), Math.toIntExact(timeout.toMillis()));
            return Optional.empty();
        }
    }

    private static Optional<String> exec(Launch launch, String mark, Duration timeout)
            throws IOException, InterruptedException {
        Process process = ContainerProcess.builder(launch, mark).start();
        try (InputStream output = process.getInputStream()) {
            if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
                return Optional.of("command timed out after " + timeout.toSeconds() + "s");
            }
            int code = process.exitValue();
            if (code == 0) {
                return Optional.empty();
            }
            int ready = Math.min(output.available(), 1024);
            String said = new String(output.readNBytes(ready), StandardCharsets.UTF_8).strip();
            return Optional.of("exit code " + code + (said.isEmpty() ? "" : ": " + said));
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }
}
