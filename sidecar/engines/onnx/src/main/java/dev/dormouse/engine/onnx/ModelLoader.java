package dev.dormouse.engine.onnx;

import ai.onnxruntime.OrtEnvironment;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.client.Attachment;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SharedMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The three ways to a model. Whichever is taken, the answers are the same to the last bit: a first start and a restore
 * build their session over the same optimized graph and the same bytes.
 *
 * @param model ready to answer
 * @param phases what was timed on the way
 */
record ModelLoader(EmbeddingModel model, List<PhaseTiming> phases) {
    static final String GRAPH = "graph.onnx";
    static final String TOKENIZER = "tokenizer.json";

    /** Vector loads want it, and every dtype divides it. */
    private static final int ALIGNMENT = 64;

    /** What must be equal for a snapshot of this engine to be usable. */
    static Map<String, String> compatibility() {
        return Map.of("onnxruntime.version", OrtEnvironment.getEnvironment().getVersion(), "arch",
                System.getProperty("os.arch"), "layout", "1");
    }

    /** From the source, weights into memory that the sidecar owns. */
    static ModelLoader create(EngineConfig config, EngineClient sidecar) throws IOException {
        long begin = System.nanoTime();
        Path folder = Files.createTempDirectory("onnx-");
        Path optimized = folder.resolve("optimized.onnx");
        Path graphFile = folder.resolve(GRAPH);
        try {
            EmbeddingSession.optimize(config.onnxFile(), optimized);
            long compiled = System.nanoTime();
            OnnxGraph parts = OnnxGraph.read(optimized);
            List<BufferMeta> buffers = new ArrayList<>();
            Map<Integer, SharedMemory> memory = fill(parts, sidecar, buffers);
            sidecar.put(buffers);
            Files.write(graphFile, parts.graph());
            sidecar.putFile(GRAPH, graphFile);
            sidecar.putFile(TOKENIZER, config.tokenizerFile());
            sidecar.commit();
            long loaded = System.nanoTime();
            EmbeddingSession session = EmbeddingSession.over(parts.graph(), buffers,
                    buffer -> Objects.requireNonNull(memory.get(buffer.allocation()))
                            .segment()
                            .asSlice(buffer.offset(),
                                    buffer.length()));
            Tokenizer tokenizer = new Tokenizer(Files.readAllBytes(config.tokenizerFile()));
            long built = System.nanoTime();
            return new ModelLoader(new EmbeddingModel(tokenizer, session),
                    List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, (loaded - compiled) / 1000),
                            PhaseTiming.done(PhaseTiming.KERNEL_COMPILE, (compiled - begin + built - loaded) / 1000)));
        } finally {
            Files.deleteIfExists(optimized);
            Files.deleteIfExists(graphFile);
            Files.deleteIfExists(folder);
        }
    }

    /** One allocation per dtype; its buffers lie behind each other. */
    private static Map<Integer, SharedMemory> fill(OnnxGraph parts, EngineClient sidecar, List<BufferMeta> buffers)
            throws IOException {
        Map<Dtype, Long> sizes = new EnumMap<>(Dtype.class);
        for (OnnxGraph.Weight weight : parts.weights()) {
            sizes.merge(weight.dtype(), aligned(weight.bytes().size()), Long::sum);
        }
        Map<Dtype, SharedMemory> byType = new EnumMap<>(Dtype.class);
        Map<Integer, SharedMemory> byId = new HashMap<>();
        for (Map.Entry<Dtype, Long> size : sizes.entrySet()) {
            SharedMemory memory = sidecar.allocate(size.getValue(), BufferType.Weights);
            byType.put(size.getKey(), memory);
            byId.put(memory.id(), memory);
        }
        Map<Dtype, Long> next = new EnumMap<>(Dtype.class);
        for (OnnxGraph.Weight weight : parts.weights()) {
            SharedMemory memory = Objects.requireNonNull(byType.get(weight.dtype()));
            long offset = next.getOrDefault(weight.dtype(), 0L);
            ByteBuffer place = memory.segment().asSlice(offset, weight.bytes().size()).asByteBuffer();
            weight.bytes().copyTo(place);
            next.put(weight.dtype(), offset + aligned(weight.bytes().size()));
            buffers.add(new BufferMeta(weight.name(), memory.id(), offset, weight.bytes().size(), BufferType.Weights,
                    weight.dtype().label(), weight.shape(), false));
        }
        return byId;
    }

    private static long aligned(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    /** From memory that the sidecar restores: graph and tokenizer are read while weights still arrive. */
    static ModelLoader attach(EngineClient sidecar) throws IOException {
        Attachment attachment = sidecar.attach();
        sidecar.await(TOKENIZER);
        Tokenizer tokenizer = new Tokenizer(EngineClient.toArray(file(attachment, TOKENIZER)));
        sidecar.await(GRAPH);
        byte[] graph = EngineClient.toArray(file(attachment, GRAPH));
        sidecar.await(null);
        long begin = System.nanoTime();
        EmbeddingSession session = EmbeddingSession.over(graph, attachment.buffers(), attachment::bytes);
        return new ModelLoader(new EmbeddingModel(tokenizer, session),
                List.of(PhaseTiming.done(PhaseTiming.KERNEL_COMPILE, (System.nanoTime() - begin) / 1000)));
    }

    private static MemorySegment file(Attachment attachment, String name) throws IOException {
        MemorySegment file = attachment.files().get(name);
        if (file == null) {
            throw new IOException("the snapshot has no file " + name);
        }
        return file;
    }

    /** From the source, memory of ONNX Runtime's own: snapshots are off. */
    static ModelLoader alone(EngineConfig config) throws IOException {
        long begin = System.nanoTime();
        EmbeddingSession session = EmbeddingSession.plain(config.onnxFile());
        Tokenizer tokenizer = new Tokenizer(Files.readAllBytes(config.tokenizerFile()));
        return new ModelLoader(new EmbeddingModel(tokenizer, session),
                List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, (System.nanoTime() - begin) / 1000)));
    }
}
