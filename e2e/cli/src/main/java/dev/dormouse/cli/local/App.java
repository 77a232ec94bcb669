package dev.dormouse.cli.local;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The processes of Dormouse as the checkout builds them: each a folder of jars with a main class. */
public enum App {
    Operator("operator/controller", "dev.dormouse.operator.OperatorMain", 256), //
    Gateway("operator/gateway", "dev.dormouse.gateway.GatewayMain", 256), //
    Sidecar("sidecar/agent", "dev.dormouse.sidecar.agent.AgentMain", 96), //
    OnnxEngine("sidecar/engines/onnx", "dev.dormouse.engine.onnx.OnnxEngineMain", 256);

    private final String module;
    private final String mainClass;
    private final int heapMegabytes;

    App(String module, String mainClass, int heapMegabytes) {
        this.module = module;
        this.mainClass = mainClass;
        this.heapMegabytes = heapMegabytes;
    }

    /**
     * The command that starts this process with the JDK that runs us.
     *
     * @param home the checkout
     * @throws IOException when the module is not built
     */
    public List<String> command(Path home) throws IOException {
        Path folder = home.resolve(module).resolve("target/app");
        if (!Files.isDirectory(folder)) {
            throw new IOException(folder + " is missing: build first with ./dormouse or mvn package");
        }
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:+UseSerialGC", "-Xmx" + heapMegabytes + "m", "-XX:+ExitOnOutOfMemoryError",
                "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
                "-Dorg.slf4j.simpleLogger.showThreadName=false",
                "-Dorg.slf4j.simpleLogger.showShortLogName=true",
                "-Dorg.slf4j.simpleLogger.showLogName=false"));
        if (this == Operator || this == Gateway) {
            // Class data of the last run: two seconds of a start on two cores. Written when the process ends, so not for
            // pods, whose end somebody waits for.
            command.add("-XX:+AutoCreateSharedArchive");
            command.add("-XX:SharedArchiveFile=" + folder.resolveSibling("app.jsa"));
            command.add("-Xlog:cds*=off,aot*=off");
        }
        command.addAll(List.of("-cp", folder + "/*", mainClass));
        return List.copyOf(command);
    }
}
