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
 *
 * Hello            →  Welcome{mode = Attach}
 *   Ready{probe}                                        without Attach: it serves from memory of its own
 * </pre>
 * {@link Failed} answers a request that was refused; {@link Abort} gives up a half-written generation. After
 * {@link Ready} the sidecar asks ({@link Fetch}, {@link Quiesce}, {@link Resume}) and the engine answers.
 * {@code docs/engine-protocol.md} has the whole of it, with the modes of memory.
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({@JsonSubTypes.Type(value = EngineMessage.Hello.class, name = "HELLO"),
        @JsonSubTypes.Type(value = EngineMessage.Welcome.class, name = "WELCOME"),
        @JsonSubTypes.Type(value = EngineMessage.Alloc.class, name = "ALLOC"),
        @JsonSubTypes.Type(value = EngineMessage.Allocated.class, name = "ALLOCATED"),
        @JsonSubTypes.Type(value = EngineMessage.Export.class, name = "EXPORT"),
        @JsonSubTypes.Type(value = EngineMessage.PutMeta.class, name = "PUT_META"),
        @JsonSubTypes.Type(value = EngineMessage.PutFile.class, name = "PUT_FILE"),
        @JsonSubTypes.Type(value = EngineMessage.Done.class, name = "DONE"),
        @JsonSubTypes.Type(value = EngineMessage.Commit.class, name = "COMMIT"),
        @JsonSubTypes.Type(value = EngineMessage.Committed.class, name = "COMMITTED"),
        @JsonSubTypes.Type(value = EngineMessage.Attach.class, name = "ATTACH"),
        @JsonSubTypes.Type(value = EngineMessage.Attached.class, name = "ATTACHED"),
        @JsonSubTypes.Type(value = EngineMessage.Ring.class, name = "RING"),
        @JsonSubTypes.Type(value = EngineMessage.Filled.class, name = "FILLED"),
        @JsonSubTypes.Type(value = EngineMessage.Fetch.class, name = "FETCH"),
        @JsonSubTypes.Type(value = EngineMessage.Quiesce.class, name = "QUIESCE"),
        @JsonSubTypes.Type(value = EngineMessage.Resume.class, name = "RESUME"),
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

    /** Who owns the bytes of an allocation, and how the other side gets at them. */
    enum Memory {
        /** The sidecar, in host memory; a descriptor is a memory file. */
        Host,
        /** The sidecar, on the GPU; a descriptor is a shareable handle of CUDA. */
        Owned,
        /** The engine, on the GPU; it exports CUDA IPC handles, which the sidecar opens. */
        Ipc,
        /** The engine, anywhere; bytes go through a ring of host memory that both have mapped. */
        Staged;

        /** Whether memory ends with the engine's connection, and has no descriptor to hand out. */
        public boolean heldByEngine() {
            return this == Ipc || this == Staged;
        }
    }

    /**
     * @param protocol the newest version the engine speaks
     * @param compatibility the engine's part of the compatibility key: what must be equal for a snapshot to be usable,
     *        e.g. {@code onnxruntime.version}, {@code dtype}, {@code arch}
     * @param memory what the engine can use; {@link Memory#Host} when it says nothing
     */
    record Hello(int protocol, String engine, String engineVersion, Map<String, String> compatibility,
            List<Memory> memory) implements EngineMessage {
        /** JSON may leave {@code memory} out. */
        public Hello {
            compatibility = Map.copyOf(compatibility);
            memory = memory == null ? List.of(Memory.Host) : List.copyOf(memory);
        }

        /** Of an engine that knows host memory only. */
        public Hello(int protocol, String engine, String engineVersion, Map<String, String> compatibility) {
            this(protocol, engine, engineVersion, compatibility, List.of(Memory.Host));
        }
    }

    /**
     * @param generation identifies the sidecar's memory; after a reconnect another one means it is gone
     * @param memory {@link Memory#Host} when absent
     * @param device UUID of the GPU that the sidecar uses, as nvidia-smi writes it; absent without one
     */
    record Welcome(int protocol, Mode mode, String generation, @Nullable String reason, Memory memory,
            @Nullable String device) implements EngineMessage {
        /** JSON may leave {@code memory} out. */
        public Welcome {
            memory = memory == null ? Memory.Host : memory;
        }
    }

    /** @param bytes &gt; 0; the sidecar may round up to its granularity */
    record Alloc(long bytes, BufferType bufferType) implements EngineMessage {}

    /** Carries one descriptor, or none where the engine holds the memory. */
    record Allocated(int fds, int allocation, long bytes) implements EngineMessage {}

    /**
     * Memory of the engine, for {@link Memory#Ipc}. Answered by {@link Allocated} when it is new, by {@link Done} when it
     * is for an allocation of {@link Attached}.
     *
     * @param allocation absent: a new one
     * @param handle the 64 bytes of a {@code CUipcMemHandle}; they mean a whole block
     * @param offset where in the block this allocation begins
     */
    record Export(@Nullable Integer allocation, long bytes, BufferType bufferType, byte[] handle, long offset)
            implements
                EngineMessage {}

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

    /** @param slots of a ring, free again; absent when it answers anything else than {@link Filled} */
    record Done(@Nullable List<Integer> slots) implements EngineMessage {
        public Done {
            slots = slots == null ? null : List.copyOf(slots);
        }

        public Done() {
            this(null);
        }
    }

    /** Weights are frozen from here on; the sidecar seals their memory. */
    record Commit() implements EngineMessage {}

    record Committed() implements EngineMessage {}

    record Attach() implements EngineMessage {}

    record AllocationMeta(int allocation, long bytes, BufferType bufferType) {}

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

    /** A range of an allocation, and the slot of the ring that holds its bytes; {@link #ZEROS} instead of a slot of zeros. */
    record Piece(int slot, int allocation, long offset, int length) {
        public static final int ZEROS = -1;
    }

    /**
     * From the engine: it is ready to copy; {@code fds}, {@code slots} and {@code slotBytes} are 0. From the sidecar: the
     * ring, a memory file of {@code slots × slotBytes}, with its descriptor.
     */
    record Ring(int fds, int slots, int slotBytes) implements EngineMessage {}

    /** From the sidecar: copy these to the device. From the engine: what {@link Fetch} asked for is in the slots. */
    record Filled(List<Piece> pieces) implements EngineMessage {
        public Filled {
            pieces = List.copyOf(pieces);
        }
    }

    /**
     * Copy these from the device to the slots. The first one of a connection brings the ring's descriptor; one with no
     * slots says that the ring is not needed any more.
     */
    record Fetch(int fds, int slots, int slotBytes, List<Piece> pieces) implements EngineMessage {
        public Fetch {
            pieces = List.copyOf(pieces);
        }
    }

    /** Finish what runs, begin nothing, synchronize the device. Answered by {@link Done}. */
    record Quiesce(int maxPauseSeconds) implements EngineMessage {}

    record Resume() implements EngineMessage {}

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
