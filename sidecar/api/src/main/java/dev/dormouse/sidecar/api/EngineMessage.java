package dev.dormouse.sidecar.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The protocol on the unix socket between an engine and its sidecar. A frame is a big-endian u32 length (at most
 * {@link #MAX_FRAME}), then that many bytes of JSON; the number of file descriptors that travel with the frame stands in
 * the JSON as {@code "fds"} and is at most {@link #MAX_FDS}. The connection is the lock: a writer that disconnects
 * before {@link Commit} has aborted.
 *
 * <p>One conversation, from the engine's side:
 * <pre>
 * Hello            →  Welcome{mode = Create}            no snapshot, or it was refused
 *   Alloc × n      →  Allocated{id, fd} × n             map read-write, fill
 *   PutMeta × m                                         names, types, dtypes, shapes of buffers in the allocations
 *   PutFile × k                                         small files: optimized graph, tokenizer, compiled kernels
 *   Commit         →  Committed                         the engine has unmapped its writable mappings
 *   Ready{probe}   →  (sidecar warms up over HTTP, saves the snapshot, opens the gate)
 *
 * Hello            →  Welcome{mode = Attach}            a snapshot is being restored; memory is the sidecar's
 *   Attach         →  Attached{buffers, files, fds}     answered at once; contents arrive while the engine starts
 *   Wait{name?}    →  Waited                            every buffer (or the named one) is there and verified;
 *                  →  Failed{...}                       the snapshot was refused: start again with Hello
 *   Ready{probe}
 * </pre>
 * {@link Failed} answers a request that was refused; {@link Abort} gives up a half-written generation.
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({@JsonSubTypes.Type(value = EngineMessage.Hello.class, name = "HELLO"),
        @JsonSubTypes.Type(value = EngineMessage.Welcome.class, name = "WELCOME"),
        @JsonSubTypes.Type(value = EngineMessage.Alloc.class, name = "ALLOC"),
        @JsonSubTypes.Type(value = EngineMessage.Allocated.class, name = "ALLOCATED"),
        @JsonSubTypes.Type(value = EngineMessage.PutMeta.class, name = "PUT_META"),
        @JsonSubTypes.Type(value = EngineMessage.PutFile.class, name = "PUT_FILE"),
        @JsonSubTypes.Type(value = EngineMessage.Done.class, name = "DONE"),
        @JsonSubTypes.Type(value = EngineMessage.Commit.class, name = "COMMIT"),
        @JsonSubTypes.Type(value = EngineMessage.Committed.class, name = "COMMITTED"),
        @JsonSubTypes.Type(value = EngineMessage.Attach.class, name = "ATTACH"),
        @JsonSubTypes.Type(value = EngineMessage.Attached.class, name = "ATTACHED"),
        @JsonSubTypes.Type(value = EngineMessage.Wait.class, name = "WAIT"),
        @JsonSubTypes.Type(value = EngineMessage.Waited.class, name = "WAITED"),
        @JsonSubTypes.Type(value = EngineMessage.Ready.class, name = "READY"),
        @JsonSubTypes.Type(value = EngineMessage.Abort.class, name = "ABORT"),
        @JsonSubTypes.Type(value = EngineMessage.Failed.class, name = "FAILED")})
@JsonInclude(JsonInclude.Include.NON_NULL)
public sealed interface EngineMessage {
    int PROTOCOL = 1;
    int MAX_FRAME = 16 << 20;
    int MAX_FDS = 253;

    /** How the engine gets its memory. */
    enum Mode {
        /** Allocate, fill, commit. */
        Create,
        /** A snapshot is being restored: attach and wait. */
        Attach,
        /** Nothing is owned by the sidecar: the engine loads as it likes, then says Ready. */
        Bypass
    }

    /**
     * @param protocol the newest version the engine speaks
     * @param compatibility the engine's part of the compatibility key: what must be equal for a snapshot to be usable,
     *        e.g. {@code onnxruntime.version}, {@code dtype}, {@code arch}
     */
    record Hello(int protocol, String engine, String engineVersion, Map<String, String> compatibility)
            implements
                EngineMessage {
        public Hello {
            compatibility = Map.copyOf(compatibility);
        }
    }

    /** @param generation identifies the sidecar's memory; after a reconnect another one means it is gone */
    record Welcome(int protocol, Mode mode, String generation, @Nullable String reason) implements EngineMessage {}

    /** @param bytes &gt; 0; the sidecar may round up to its granularity */
    record Alloc(long bytes, BufferType bufferType) implements EngineMessage {}

    /** Carries one descriptor. */
    record Allocated(int fds, int allocation, long bytes) implements EngineMessage {}

    /**
     * @param name unique within the generation
     * @param dtype lower-case element type as safetensors writes it: {@code f32}, {@code bf16}, {@code i64}, …
     * @param shape elements per dimension; empty for a scalar
     * @param optional whether {@link Ready} need not wait for it
     */
    record BufferMeta(String name, int allocation, long offset, long length, BufferType bufferType, String dtype,
            List<Long> shape, boolean optional) {
        public BufferMeta {
            shape = List.copyOf(shape);
        }
    }

    record PutMeta(List<BufferMeta> buffers) implements EngineMessage {
        public PutMeta {
            buffers = List.copyOf(buffers);
        }
    }

    /** A small file of the snapshot's file set. Carries one descriptor of a readable file; answered by {@link Done}. */
    record PutFile(int fds, String name, long length) implements EngineMessage {}

    record Done() implements EngineMessage {}

    /** Weights are frozen from here on; the sidecar seals their memory. */
    record Commit() implements EngineMessage {}

    record Committed() implements EngineMessage {}

    record Attach() implements EngineMessage {}

    record AllocationMeta(int allocation, long bytes) {}

    record FileMeta(String name, long length) {}

    /**
     * Carries one descriptor per allocation, then one per file, in the order listed. When they are more than
     * {@link #MAX_FDS}, several frames follow each other, the last with {@code more = false}.
     */
    record Attached(int fds, boolean more, List<AllocationMeta> allocations, List<BufferMeta> buffers,
            List<FileMeta> files) implements EngineMessage {
        public Attached {
            allocations = List.copyOf(allocations);
            buffers = List.copyOf(buffers);
            files = List.copyOf(files);
        }
    }

    /** @param buffer absent: every buffer and file that is not optional; a file's name works too */
    record Wait(@Nullable String buffer) implements EngineMessage {}

    record Waited() implements EngineMessage {}

    /**
     * The engine serves on its port.
     *
     * @param phases what the engine itself timed: {@code weight_load}, {@code pool_alloc}, {@code kernel_compile}
     * @param probe a real request for warmup inference; absent when the engine has none to offer
     * @param memoryBytes memory the engine holds beside the sidecar's (ONNX Runtime's pre-packed copies, caches)
     */
    record Ready(List<PhaseTiming> phases, @Nullable Probe probe, long memoryBytes) implements EngineMessage {
        public Ready {
            phases = List.copyOf(phases);
        }
    }

    /** @param body JSON; the sidecar repeats {@code item} {@code batchSize} times where the body says {@code "@batch"} */
    record Probe(String path, String body, String item) {}

    record Abort(String reason) implements EngineMessage {}

    /** @param code CamelCase: {@code Incompatible}, {@code ChecksumMismatch}, {@code DuplicateName}, {@code OutOfMemory}, … */
    record Failed(String code, String message) implements EngineMessage {}
}
