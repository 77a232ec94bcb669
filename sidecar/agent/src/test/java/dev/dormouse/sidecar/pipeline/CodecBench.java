package dev.dormouse.sidecar.pipeline;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.sidecar.format.Blake3;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.crypto.digests.Blake3Digest;
import org.jspecify.annotations.Nullable;

/**
 * What one core does with chunks that lie in memory, in GB of raw bytes per second of its own time (so that other load on
 * the machine matters little): encoding and decoding of weights, with each codec and encrypted; BLAKE3 beside BouncyCastle's.
 * Prints one JSON object per line: the rate of the first pass over the set in a fresh JVM, the median of the later ones,
 * and how much is stored.
 *
 * <pre>java -cp … dev.dormouse.sidecar.pipeline.CodecBench [MiB = 256] [passes = 9]</pre>
 */
final class CodecBench {
    private static final int CHUNK = 4 << 20;
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private interface Pass {
        void over(List<MemorySegment> chunks) throws Exception;
    }

    private CodecBench() {}

    public static void main(String[] arguments) throws Exception {
        int count = (arguments.length > 0 ? Integer.parseInt(arguments[0]) : 256) * (1 << 20) / CHUNK;
        int passes = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 9;
        try (Arena arena = Arena.ofConfined()) {
            List<MemorySegment> weights = new ArrayList<>();
            var numbers = new NormalNumbers(1);
            for (int i = 0; i < count; i++) {
                MemorySegment chunk = arena.allocate(CHUNK, 4096);
                numbers.fill(chunk);
                weights.add(chunk);
            }
            var key = VolumeKey.random("bench", new SecureRandom());
            codec("raw", Compression.None, 1, null, weights, passes);
            codec("raw, encrypted", Compression.None, 1, key, weights, passes);
            codec("bf16 planes", Compression.Zstd, 2, null, weights, passes);
            codec("bf16 planes, encrypted", Compression.Zstd, 2, key, weights, passes);
            codec("zstd 3", Compression.Zstd, 1, null, weights, passes);
            var ours = new Blake3();
            measure("BLAKE3", weights, passes, 0, chunks -> {
                for (MemorySegment chunk : chunks) {
                    ours.hash(chunk);
                }
            });
            var theirs = new Blake3Digest();
            var heap = new byte[CHUNK];
            measure("BLAKE3 of BouncyCastle", weights, Math.min(passes, 3), 0, chunks -> {
                for (MemorySegment chunk : chunks) {
                    chunk.asByteBuffer().get(heap);
                    theirs.update(heap, 0, CHUNK);
                    theirs.doFinal(new byte[32], 0);
                }
            });
        }
    }

    private static void codec(String name, Compression compression, int width, @Nullable VolumeKey key,
            List<MemorySegment> weights, int passes) throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            codec(name, compression, width, key, weights, passes, new InMemory(arena, weights.size()));
        }
    }

    private static void codec(String name, Compression compression, int width, @Nullable VolumeKey key,
            List<MemorySegment> weights, int passes, InMemory memory) throws Exception {
        try (var encoder = new ChunkEncoder(new SavePipeline.Settings(compression, 3, CHUNK, 1, key))) {
            measure(name + ": encode", weights, Math.min(passes, 3), 0, chunks -> {
                memory.clear();
                for (MemorySegment chunk : chunks) {
                    encoder.store(chunk, width, memory);
                }
            });
        }
        try (Arena arena = Arena.ofConfined();
                var decoder = new ChunkDecoder(memory, Verification.Crc, CHUNK, key)) {
            MemorySegment slot = arena.allocate(CHUNK, 4096);
            double ratio = (double) memory.storedBytes() / ((long) weights.size() * CHUNK);
            measure(name + ": decode", weights, passes, ratio, chunks -> {
                for (Chunk chunk : memory.chunks) {
                    decoder.decode(chunk, slot);
                }
            });
            if (slot.mismatch(weights.getLast()) >= 0) {
                throw new IllegalStateException(name + " does not bring back what was encoded");
            }
        }
    }

    private static void measure(String name, List<MemorySegment> chunks, int passes, double ratio, Pass pass)
            throws Exception {
        var rates = new ArrayList<Double>();
        for (int i = 0; i < passes; i++) {
            long before = THREADS.getCurrentThreadCpuTime();
            pass.over(chunks);
            rates.add((double) chunks.size() * CHUNK / (THREADS.getCurrentThreadCpuTime() - before));
        }
        double first = rates.removeFirst();
        Collections.sort(rates);
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("bench", name);
        line.put("firstGbpsPerCore", Math.round(first * 100) / 100.0);
        line.put("warmGbpsPerCore", Math.round(rates.get(rates.size() / 2) * 100) / 100.0);
        if (ratio > 0) {
            line.put("storedPerRaw", Math.round(ratio * 1000) / 1000.0);
        }
        System.out.println(new JsonMapper().valueToTree(line).toString());
    }

    /** A pack in memory. */
    private static final class InMemory implements ChunkSink, ChunkSource {
        private final List<Chunk> chunks;
        private final MemorySegment pack;

        InMemory(Arena arena, int chunks) {
            this.chunks = new ArrayList<>(chunks);
            this.pack = arena.allocate((CHUNK + 4096L) * chunks, 4096);
        }

        void clear() {
            chunks.clear();
        }

        long storedBytes() {
            return chunks.stream().mapToLong(Chunk::storedLength).sum();
        }

        @Override
        public @Nullable Chunk find(Digest digest, int rawLength) {
            return null;
        }

        @Override
        public Chunk append(Encoded encoded) {
            Chunk chunk = encoded.at(0, chunks.size() * (CHUNK + 4096L));
            place(chunk).put(encoded.stored());
            chunks.add(chunk);
            return chunk;
        }

        @Override
        public void read(Chunk chunk, ByteBuffer into) {
            into.put(place(chunk));
        }

        private ByteBuffer place(Chunk chunk) {
            return pack.asSlice(chunk.offset(), chunk.storedLength()).asByteBuffer();
        }

        @Override
        public String describe(Chunk chunk) {
            return "chunk " + chunk.offset();
        }

        @Override
        public void close() {
            // memory of the JVM
        }
    }
}
