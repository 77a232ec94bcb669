package dev.dormouse.operator;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The operator as a process of its own, started with the flags of local mode, and what can be read off it. */
final class OperatorProcess implements AutoCloseable {
    private static final Pattern PROBES = Pattern.compile("probes and metrics on 127\\.0\\.0\\.1:(\\d+)");
    /** Those that an ahead-of-time cache depends on. */
    private static final List<String> FLAGS = List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            "-XX:MaxNewSize=32m", "-XX:+ExitOnOutOfMemoryError", "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow", "-Xlog:cds*=off,aot*=off");

    private final HttpClient http = HttpClient.newHttpClient();
    private final Process process;
    private final int port;

    /**
     * Returns once it serves its metrics.
     *
     * @param app folder of its jars
     * @param folder holds a {@code kubeconfig} and gets its output
     * @throws IOException with its output when it ends before
     */
    OperatorProcess(Path app, Path folder, List<String> flags) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(FLAGS);
        command.addAll(flags);
        command.addAll(List.of("-cp", app + "/*", OperatorMain.class.getName()));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment()
                .putAll(Map.of("KUBECONFIG", folder.resolve("kubeconfig").toString(), "DORMOUSE_BIND", "127.0.0.1",
                        "DORMOUSE_HTTP_PORT", "0", "DORMOUSE_LEADER_ELECTION", "false",
                        "DORMOUSE_WARMUP_MAX_CONCURRENT", "10000"));
        Path output = folder.resolve("output");
        Files.deleteIfExists(output);
        process = builder.redirectErrorStream(true).redirectOutput(output.toFile()).start();
        port = awaitPort(output);
    }

    private int awaitPort(Path output) throws IOException, InterruptedException {
        while (true) {
            Matcher probes = PROBES.matcher(Files.exists(output) ? Files.readString(output) : "");
            if (probes.find()) {
                return Integer.parseInt(probes.group(1));
            }
            if (!process.isAlive()) {
                throw new IOException("the operator ended: " + Files.readString(output));
            }
            Thread.sleep(2);
        }
    }

    /** One series of its metrics; 0 while there is none. */
    double metric(String series) throws IOException, InterruptedException {
        HttpResponse<String> answer = http.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics")).build(),
                HttpResponse.BodyHandlers.ofString());
        return answer.body()
                .lines()
                .filter(line -> line.startsWith(series + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(series.length() + 1)))
                .findFirst()
                .orElse(0);
    }

    /** Processor time of all its threads so far. */
    Duration cpu() {
        return process.toHandle().info().totalCpuDuration().orElse(Duration.ZERO);
    }

    long residentMiB() throws IOException {
        return status("VmRSS") / 1024;
    }

    long threads() throws IOException {
        return status("Threads");
    }

    private long status(String field) throws IOException {
        return Files.readAllLines(Path.of("/proc/" + process.pid() + "/status"))
                .stream()
                .filter(line -> line.startsWith(field + ":"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElse(-1);
    }

    /** What is reachable: the serial collector's old generation after a full collection. */
    long heapMiB() throws IOException, InterruptedException {
        jcmd("GC.run");
        Matcher used = Pattern.compile("Tenured\\s+total \\d+K, used (\\d+)K").matcher(jcmd("GC.heap_info"));
        return used.find() ? Long.parseLong(used.group(1)) / 1024 : -1;
    }

    /** Classes that were loaded, from a cache or not. */
    long classes() throws IOException, InterruptedException {
        Matcher total = Pattern.compile("Total = \\d+ +(\\d+)").matcher(jcmd("VM.classloader_stats"));
        return total.find() ? Long.parseLong(total.group(1)) : -1;
    }

    private String jcmd(String command) throws IOException, InterruptedException {
        Process jcmd = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                Long.toString(process.pid()), command).redirectErrorStream(true).start();
        String text = new String(jcmd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        jcmd.waitFor();
        return text;
    }

    /** SIGTERM: a process that is trained writes its cache now. */
    void stop() throws InterruptedException {
        process.destroy();
        process.waitFor();
        http.close();
    }

    /** SIGKILL. */
    @Override
    public void close() throws InterruptedException {
        process.destroyForcibly().waitFor();
        http.close();
    }
}
