package dev.dormouse.engine.onnx;

import ai.onnxruntime.OrtException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.engine.onnx.graph.ElementType;
import dev.dormouse.engine.onnx.graph.Weight;
import dev.dormouse.engine.onnx.graph.WeightFreeGraph;
import dev.dormouse.engine.onnx.graph.WeightLayout;
import dev.dormouse.engine.onnx.model.Background;
import dev.dormouse.engine.onnx.model.EmbeddingModel;
import dev.dormouse.engine.onnx.model.EmbeddingSession;
import dev.dormouse.engine.onnx.model.ModelFiles;
import dev.dormouse.engine.onnx.model.ModelSettings;
import dev.dormouse.engine.onnx.model.NativeLibraries;
import dev.dormouse.engine.onnx.model.TextTokenizer;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.client.Attachment;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SharedMemory;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The three ways to a running model: from its source into the sidecar's memory, out of a snapshot that the sidecar
 * restores, and, without a sidecar that keeps memory, as ONNX Runtime does it.
 *
 * <p>A snapshot holds the weights of the <em>optimized</em> graph as buffers, and three files: that graph without its
 * weights, the tokenizer, and what {@link ModelSettings} gathered.
 */
final class ModelLoader {
    /** Part of the compatibility key: how buffers and files below are to be read. */
    static final String LAYOUT = "1";

    private static final String GRAPH = "graph.onnx";
    private static final String TOKENIZER = "tokenizer.json";
    private static final String SETTINGS = "engine.json";
    private static final long ALLOCATION_BYTES = 1L << 30;

    private final Path source;
    private final NativeLibraries natives;
    private final ObjectMapper json = new ObjectMapper();

    record Loaded(EmbeddingModel model, List<PhaseTiming> phases) {}

    /** Weights in the sidecar's memory, and the graph that goes with them. */
    private record Offered(ByteBuffer graph, List<Weight> weights) {}

    ModelLoader(Path source, NativeLibraries natives) {
        this.source = source;
        this.natives = natives;
    }

    /** In the way that the sidecar has chosen. */
    Loaded load(EngineClient client) throws IOException, SnapshotRefusedException {
        return switch (client.welcome().mode()) {
            case Create -> fromSource(client);
            case Attach -> fromSnapshot(client);
            case Bypass -> alone();
        };
    }

    /** Without the sidecar's memory. */
    Loaded alone() throws IOException {
        PhaseClock clock = new PhaseClock();
        clock.enter(PhaseTiming.WEIGHT_LOAD);
        try {
            ModelFiles files = ModelFiles.find(source);
            ModelSettings settings = ModelSettings.read(files, json);
            Background<TextTokenizer> tokenizer = tokenizer(Files.readAllBytes(files.tokenizer()), settings);
            EmbeddingSession session = EmbeddingSession.overFile(natives.runtime(), files.onnx(), settings);
            return loaded(settings, tokenizer, session, clock);
        } catch (OrtException e) {
            throw unusable(e);
        }
    }

    private Loaded fromSource(EngineClient client) throws IOException, SnapshotRefusedException {
        PhaseClock clock = new PhaseClock();
        ModelFiles files = ModelFiles.find(source);
        ModelSettings settings = ModelSettings.read(files, json);
        Background<TextTokenizer> tokenizer = tokenizer(Files.readAllBytes(files.tokenizer()), settings);
        Offered offered = offer(client, files, settings, clock);
        return overMemory(offered, settings, tokenizer, clock);
    }

    private Loaded fromSnapshot(EngineClient client) throws IOException, SnapshotRefusedException {
        PhaseClock clock = new PhaseClock();
        clock.enter(PhaseTiming.POOL_ALLOC);
        Attachment memory = client.attach();
        clock.enter(PhaseTiming.WEIGHT_LOAD);
        client.await(SETTINGS);
        ModelSettings settings = json.readValue(bytes(memory.file(SETTINGS)), ModelSettings.class);
        client.await(TOKENIZER);
        Background<TextTokenizer> tokenizer = tokenizer(bytes(memory.file(TOKENIZER)), settings);
        client.await(null);
        clock.end();
        List<Weight> weights = memory.buffers()
                .values()
                .stream()
                .map(buffer -> new Weight(buffer.name(),
                        ElementType.ofDtype(buffer.dtype()), buffer.shape(), memory.buffer(buffer.name())))
                .toList();
        return overMemory(new Offered(memory.file(GRAPH).asByteBuffer(), weights), settings, tokenizer, clock);
    }

    /**
     * Optimizes the model and hands its weights and files to a sidecar that has none.
     *
     * <p>Also after a restart of the sidecar: whatever session runs by then keeps the memory it has.
     */
    void offer(EngineClient client) throws IOException, SnapshotRefusedException {
        ModelFiles files = ModelFiles.find(source);
        offer(client, files, ModelSettings.read(files, json), new PhaseClock());
    }

    private Offered offer(EngineClient client, ModelFiles files, ModelSettings settings, PhaseClock clock)
            throws IOException, SnapshotRefusedException {
        try (Scratch scratch = Scratch.create()) {
            Path optimized = scratch.file("optimized.onnx");
            clock.enter(PhaseTiming.KERNEL_COMPILE);
            optimize(files.onnx(), optimized);
            clock.enter(PhaseTiming.WEIGHT_LOAD);
            WeightFreeGraph parts = WeightFreeGraph.of(scratch.map(optimized));
            WeightLayout layout = WeightLayout.pack(
                    parts.weights().stream().map(weight -> weight.data().byteSize()).toList(), ALLOCATION_BYTES);
            clock.enter(PhaseTiming.POOL_ALLOC);
            List<SharedMemory> memory = new ArrayList<>();
            for (long bytes : layout.allocations()) {
                memory.add(client.allocate(bytes, BufferType.Weights));
            }
            clock.enter(PhaseTiming.WEIGHT_LOAD);
            fill(client, parts.weights(), layout, memory);
            client.putFile(GRAPH, scratch.write(GRAPH, parts.graph()));
            client.putFile(TOKENIZER, files.tokenizer());
            client.putFile(SETTINGS, scratch.write(SETTINGS, json.writeValueAsBytes(settings)));
            client.commit();
            clock.end();
            return new Offered(direct(parts.graph()), placed(parts.weights(), layout, memory));
        }
    }

    private void optimize(Path onnx, Path target) throws IOException {
        try {
            EmbeddingSession.optimize(natives.runtime(), onnx, target);
        } catch (OrtException e) {
            throw unusable(e);
        }
    }

    private static void fill(EngineClient client, List<Weight> weights, WeightLayout layout, List<SharedMemory> memory)
            throws IOException, SnapshotRefusedException {
        List<BufferMeta> buffers = new ArrayList<>(weights.size());
        List<Weight> target = placed(weights, layout, memory);
        for (int i = 0; i < weights.size(); i++) {
            Weight weight = weights.get(i);
            WeightLayout.Place place = layout.places().get(i);
            target.get(i).data().copyFrom(weight.data());
            buffers.add(new BufferMeta(weight.name(), memory.get(place.allocation()).id(), place.offset(),
                    weight.data().byteSize(), BufferType.Weights, weight.type().dtype(), weight.shape(), false));
        }
        client.put(buffers);
    }

    /** The weights as views of the sidecar's memory as it is mapped now: writable before the commit, read-only after. */
    private static List<Weight> placed(List<Weight> weights, WeightLayout layout, List<SharedMemory> memory) {
        List<Weight> placed = new ArrayList<>(weights.size());
        for (int i = 0; i < weights.size(); i++) {
            Weight weight = weights.get(i);
            WeightLayout.Place place = layout.places().get(i);
            MemorySegment data = memory.get(place.allocation())
                    .segment()
                    .asSlice(place.offset(),
                            weight.data().byteSize());
            placed.add(new Weight(weight.name(), weight.type(), weight.shape(), data));
        }
        return placed;
    }

    private Loaded overMemory(Offered offered, ModelSettings settings, Background<TextTokenizer> tokenizer,
            PhaseClock clock) throws IOException {
        try {
            clock.enter(PhaseTiming.KERNEL_COMPILE);
            EmbeddingSession session = EmbeddingSession.overMemory(natives.runtime(), offered.graph(),
                    offered.weights(), settings);
            return loaded(settings, tokenizer, session, clock);
        } catch (OrtException e) {
            throw unusable(e);
        }
    }

    private static Loaded loaded(ModelSettings settings, Background<TextTokenizer> tokenizer, EmbeddingSession session,
            PhaseClock clock) throws IOException {
        clock.end();
        return new Loaded(new EmbeddingModel(settings, tokenizer.get(), session), clock.timings());
    }

    private Background<TextTokenizer> tokenizer(byte[] tokenizerJson, ModelSettings settings) {
        return Background.start("tokenizer", () -> {
            natives.awaitTokenizers();
            return new TextTokenizer(tokenizerJson, settings.maxTokens());
        });
    }

    private static byte[] bytes(MemorySegment file) {
        return file.toArray(ValueLayout.JAVA_BYTE);
    }

    private static ByteBuffer direct(byte[] bytes) {
        return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
    }

    private IOException unusable(OrtException e) {
        return new IOException("ONNX Runtime cannot use the model at " + source + ": " + e.getMessage(), e);
    }
}
