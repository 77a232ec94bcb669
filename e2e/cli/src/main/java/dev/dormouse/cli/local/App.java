package dev.dormouse.cli.local;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The processes of Dormouse as the checkout builds them: each a folder of jars with a main class. */
public enum App {
    Operator("operator/controller", "dev.dormouse.operator.OperatorMain", 256, Flags.OPERATOR), //
    Gateway("operator/gateway", "dev.dormouse.gateway.GatewayMain", 256, Flags.COMPILE_LATE), //
    Sidecar("sidecar/agent", "dev.dormouse.sidecar.agent.AgentMain", 96, Flags.COMPILE_LATE), //
    OnnxEngine("sidecar/engines/onnx", "dev.dormouse.engine.onnx.OnnxEngineMain", 256, Flags.COMPILE_QUICKLY);

    private final String module;
    private final String mainClass;
    private final int heapMegabytes;
    private final List<String> flags;

    App(String module, String mainClass, int heapMegabytes, List<String> flags) {
        this.module = module;
        this.mainClass = mainClass;
        this.heapMegabytes = heapMegabytes;
        this.flags = flags;
    }

    /**
     * The command that starts this process with the JDK that runs us.
     *
     * @param home the checkout
     * @param training whether it shall write its ahead-of-time cache when it ends, see {@link #adoptTraining}
     * @throws IOException when the module is not built
     */
    public List<String> command(Path home, boolean training) throws IOException {
        Path folder = folder(home);
        if (!Files.isDirectory(folder)) {
            throw new IOException(folder + " is missing: build first with ./dormouse or mvn package");
        }
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(classData(home, training));
        command.addAll(jvmFlags());
        if (this == Sidecar) {
            // The CUDA binding and zstd, out of the box as in an image: nothing is unpacked when it starts.
            command.add("-Djava.library.path=" + folder.resolve("native/amd64"));
        }
        command.addAll(List.of("-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
                "-Dorg.slf4j.simpleLogger.showThreadName=false",
                "-Dorg.slf4j.simpleLogger.showShortLogName=true",
                "-Dorg.slf4j.simpleLogger.showLogName=false", "-cp", folder + "/*", mainClass));
        return List.copyOf(command);
    }

    /** Those that a cache depends on. */
    private List<String> jvmFlags() {
        List<String> all = new ArrayList<>(flags);
        all.addAll(List.of("-XX:+UseSerialGC", "-Xmx" + heapMegabytes + "m", "-XX:+ExitOnOutOfMemoryError",
                "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"));
        return all;
    }

    private List<String> classData(Path home, boolean training) throws IOException {
        AotCache cache = cache(home);
        if (training) {
            return cache.train();
        }
        if (cache.current()) {
            return cache.use();
        }
        if (this == Operator || this == Gateway) {
            // Nobody trained: class data of the last run is worth two seconds of a start on two cores. Written when the
            // process ends, so not for pods, whose end somebody waits for.
            return List.of("-XX:+AutoCreateSharedArchive",
                    "-XX:SharedArchiveFile=" + folder(home).resolveSibling("app.jsa"), AotCache.QUIET);
        }
        return List.of();
    }

    /** Makes what a training run wrote the cache of later starts; {@code false} when it wrote nothing that works. */
    public boolean adoptTraining(Path home) throws IOException, InterruptedException {
        return cache(home).adopt(jvmFlags());
    }

    private AotCache cache(Path home) {
        return new AotCache(folder(home).resolveSibling("app.aot"));
    }

    private Path folder(Path home) {
        return home.resolve(module).resolve("target/app");
    }

    private static final class Flags {
        /**
         * C2 takes its time from the start that it is meant to speed up: it compiles what is ten times as hot as usual, the
         * loops over a snapshot's bytes or a busy gateway.
         */
        private static final List<String> COMPILE_LATE = List.of("-XX:Tier4InvocationThreshold=50000",
                "-XX:Tier4MinInvocationThreshold=50000", "-XX:Tier4CompileThreshold=100000",
                "-XX:Tier4BackEdgeThreshold=1000000");
        /** What computes is native code. */
        private static final List<String> COMPILE_QUICKLY = List.of("-XX:TieredStopAtLevel=1");
        /**
         * It waits for the API server most of the time. What a reconcile allocates dies with it: more room for it is only
         * more resident memory.
         */
        private static final List<String> OPERATOR = List.of("-XX:TieredStopAtLevel=1", "-XX:MaxNewSize=32m");

        private Flags() {}
    }
}
