package dev.dormouse.engine.onnx;

import ai.onnxruntime.OrtException;
import dev.dormouse.engine.onnx.graph.Weight;
import dev.dormouse.engine.onnx.graph.WeightFreeGraph;
import dev.dormouse.engine.onnx.model.EmbeddingSession;
import dev.dormouse.engine.onnx.model.NativeLibraries;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Prints how long each step to a session takes, first and then warm. Run it from the tests' class path with
 * {@code -Ddormouse.native=target/app/native/<os.arch> -Ddormouse.test.model=target/models/all-minilm-l6-v2}; the
 * argument {@code attach} leaves out everything that a wake does not do, so that its first session is the first there is.
 */
final class SessionTimings {
    private static final int ROUNDS = 5;

    private interface Step<T> {
        T run() throws IOException, OrtException;
    }

    private SessionTimings() {}

    public static void main(String[] arguments) throws IOException, OrtException {
        Path optimized = Path.of(System.getProperty("java.io.tmpdir"), "session-timings.onnx");
        boolean attach = List.of(arguments).contains("attach");
        NativeLibraries natives = timed("load natives", () -> {
            NativeLibraries loading = NativeLibraries.load();
            loading.runtime();
            loading.awaitTokenizers();
            return loading;
        });
        TestModel model = TestModel.load();
        timed("tokenizer", model::tokenizer).close();
        if (!attach) {
            for (int i = 0; i < ROUNDS; i++) {
                timed("plain session over the file", () -> EmbeddingSession.overFile(natives.runtime(),
                        model.files().onnx(), model.settings())).close();
            }
            for (int i = 0; i < ROUNDS; i++) {
                timed("optimize and write", () -> {
                    EmbeddingSession.optimize(natives.runtime(), model.files().onnx(), optimized);
                    return optimized;
                });
            }
        }
        try (Arena arena = Arena.ofShared(); FileChannel channel = FileChannel.open(optimized)) {
            MemorySegment file = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
            WeightFreeGraph parts = timed("take weights out", () -> WeightFreeGraph.of(file));
            List<Weight> weights = parts.weights()
                    .stream()
                    .map(weight -> new Weight(weight.name(), weight.type(), weight.shape(),
                            arena.allocate(weight.data().byteSize(), 64).copyFrom(weight.data())))
                    .toList();
            ByteBuffer graph = ByteBuffer.allocateDirect(parts.graph().length).put(parts.graph()).flip();
            for (int i = 0; i < ROUNDS; i++) {
                long before = ProcessMemory.anonymousBytes();
                EmbeddingSession session = timed("session over memory", () -> EmbeddingSession
                        .overMemory(natives.runtime(), graph, weights, model.settings()));
                System.out.printf("  holds %.1f MB%n", (ProcessMemory.anonymousBytes() - before) / 1e6);
                List<long[]> ids = List.of(new long[]{101, 7592, 2088, 102});
                for (int run = 0; run < 3; run++) {
                    timed("  run of 4 tokens", () -> session.embed(ids));
                }
                session.close();
            }
        }
        if (attach) {
            Files.delete(optimized);
        }
    }

    private static <T> T timed(String name, Step<T> step) throws IOException, OrtException {
        long start = System.nanoTime();
        T result = step.run();
        System.out.printf("%-30s %8.2f ms%n", name, (System.nanoTime() - start) / 1e6);
        return result;
    }
}
