package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.Generation.Part;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.AllocationMeta;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.FileMeta;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.transport.Frame;
import dev.dormouse.sidecar.transport.MessageChannel;
import dev.dormouse.sidecar.transport.ProtocolException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One engine's connection, from accept to disconnect, on one thread. Checks what may be said when, and turns refusals
 * into {@code Failed} answers; what is decided is the {@link Replica}'s.
 */
final class EngineSession {
    private static final Logger LOG = LoggerFactory.getLogger(EngineSession.class);
    /** Keeps a frame of buffers with the longest names allowed well below the frame limit. */
    private static final int BUFFERS_PER_FRAME = 4_096;

    private final MessageChannel channel;
    private final Replica replica;
    private final MemoryAtHand memory;
    private @Nullable Mode mode;
    private @Nullable GenerationDraft draft;
    /** Whether the engine has asked for the memory that it was welcomed to. */
    private boolean attached;
    private final HeldMemory held;
    private final Questions questions;

    EngineSession(MessageChannel channel, Replica replica, DeviceMemory device) {
        this.channel = channel;
        this.replica = replica;
        this.memory = replica.memory();
        this.questions = new Questions(channel);
        this.held = new HeldMemory(device, channel, questions);
    }

    /** Talks until either side has had enough. */
    void run() {
        try {
            Optional<Frame> next = channel.receive();
            while (next.isPresent()) {
                try (Frame frame = next.get()) {
                    answer(frame);
                }
                next = channel.receive();
            }
        } catch (ProtocolException e) {
            LOG.warn("the engine broke the protocol, its connection is closed: {}", e.getMessage());
        } catch (IOException e) {
            LOG.info("the engine's connection broke: {}", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            dropDraft();
            replica.engineGone();
            // Last: the engine frees memory of its own when this end is closed.
            channel.close();
        }
    }

    private void answer(Frame frame) throws IOException, InterruptedException {
        try {
            switch (frame.message()) {
                case EngineMessage.Done done when done.slots() != null -> held.landed(done.slots());
                case EngineMessage.Done done when questions.answered(done) -> {
                    // Whoever asked has it.
                }
                // One that nobody asked for crosses with the end of a save.
                case EngineMessage.Filled filled -> questions.answered(filled);
                case EngineMessage.Failed failed -> questions.answered(failed);
                case EngineMessage.Abort abort -> abort(abort);
                case EngineMessage message when held.copying() -> throw new RefusedException("WrongState",
                        message.getClass().getSimpleName() + " while the ring runs");
                case EngineMessage.Hello hello -> hello(hello);
                case EngineMessage.Alloc alloc -> allocate(alloc);
                case EngineMessage.Export export -> export(export);
                case EngineMessage.Ring ring -> held.ring(restored("RING"), memory::refuse);
                case EngineMessage.PutMeta meta -> {
                    draft("PUT_META").put(meta.buffers());
                    channel.send(new EngineMessage.Done());
                }
                case EngineMessage.PutFile file -> putFile(file, frame);
                case EngineMessage.Commit commit -> commit();
                case EngineMessage.Attach attach -> attach();
                case EngineMessage.Wait wait -> {
                    held.refuseToWait(memory.attachable());
                    memory.await(wait.buffer());
                    channel.send(new EngineMessage.Waited());
                }
                case EngineMessage.Ready ready -> ready(ready);
                default -> throw new RefusedException("UnexpectedMessage",
                        frame.message().getClass().getSimpleName() + " is for the sidecar to say");
            }
        } catch (RefusedException e) {
            LOG.warn("refused {}: {}: {}", frame.message().getClass().getSimpleName(), e.code(), e.text());
            channel.send(new EngineMessage.Failed(e.code(), e.text()));
        }
    }

    /** May come again on the same connection, after a snapshot was refused. */
    private void hello(EngineMessage.Hello hello) throws IOException, RefusedException {
        dropDraft();
        held.reset();
        mode = null;
        attached = false;
        EngineMessage.Welcome welcome = replica.hello(hello);
        mode = welcome.mode();
        if (mode == Mode.Create) {
            draft = memory.draft(hello);
        }
        channel.send(welcome);
    }

    private void allocate(EngineMessage.Alloc alloc) throws IOException, RefusedException {
        Allocation allocation = draft("ALLOC").allocate(alloc.bytes(), alloc.bufferType());
        allocated(allocation);
    }

    private void allocated(Allocation allocation) throws IOException {
        List<Integer> descriptor = allocation.fd() == Allocation.NO_DESCRIPTOR ? List.of() : List.of(allocation.fd());
        channel.send(new EngineMessage.Allocated(descriptor.size(), allocation.id(), allocation.bytes()), descriptor);
    }

    private void export(EngineMessage.Export export) throws IOException, RefusedException {
        if (export.allocation() == null) {
            allocated(draft("EXPORT").export(export));
        } else {
            held.bind(restored("EXPORT"), export.allocation(), export);
            channel.send(new EngineMessage.Done());
        }
    }

    private RestoredGeneration restored(String request) throws RefusedException {
        if (mode == Mode.Attach && memory.attachable() instanceof RestoredGeneration restored) {
            return restored;
        }
        throw new RefusedException("WrongState", request + " is for an engine that was welcomed with Attach");
    }

    private void putFile(EngineMessage.PutFile file, Frame frame) throws IOException, RefusedException {
        if (frame.descriptors().size() != 1) {
            throw new RefusedException("BadDescriptors",
                    "PUT_FILE comes with " + frame.descriptors().size() + " descriptors instead of 1");
        }
        draft("PUT_FILE").putFile(file.name(), file.length(), frame.descriptors().getFirst());
        channel.send(new EngineMessage.Done());
    }

    private void commit() throws IOException, RefusedException {
        memory.committed(draft("COMMIT").commit());
        draft = null;
        channel.send(new EngineMessage.Committed());
    }

    private void attach() throws IOException, RefusedException {
        if (mode != Mode.Attach) {
            throw new RefusedException("WrongState", "ATTACH is for an engine that was welcomed with Attach");
        }
        Generation generation = memory.attachable();
        attached = true;
        List<Part> parts = new ArrayList<>(generation.allocations());
        int allocations = parts.size();
        parts.addAll(generation.files());
        boolean shared = parts.stream().noneMatch(part -> part.descriptor() == Allocation.NO_DESCRIPTOR);
        List<BufferMeta> buffers = generation.buffers();
        // As many frames as the bounds on descriptors and bytes demand; most models need one.
        int frames = Math.max(1, Math.max(frames(parts.size(), EngineMessage.MAX_FDS),
                frames(buffers.size(), BUFFERS_PER_FRAME)));
        for (int frame = 0; frame < frames; frame++) {
            int from = Math.min(parts.size(), frame * EngineMessage.MAX_FDS);
            int to = Math.min(parts.size(), from + EngineMessage.MAX_FDS);
            int border = Math.clamp(allocations, from, to);
            List<Integer> descriptors = parts.subList(shared ? from : border, to)
                    .stream()
                    .map(Part::descriptor)
                    .toList();
            channel.send(new EngineMessage.Attached(descriptors.size(), frame < frames - 1,
                    parts.subList(from, border)
                            .stream()
                            .map(p -> new AllocationMeta(p.id(), p.bytes(), p.type()))
                            .toList(),
                    slice(buffers, frame),
                    parts.subList(border, to).stream().map(p -> new FileMeta(p.name(), p.bytes())).toList()),
                    descriptors);
        }
    }

    private static int frames(int items, int perFrame) {
        return Math.ceilDiv(items, perFrame);
    }

    private static List<BufferMeta> slice(List<BufferMeta> buffers, int frame) {
        int from = Math.min(buffers.size(), frame * BUFFERS_PER_FRAME);
        return buffers.subList(from, Math.min(buffers.size(), from + BUFFERS_PER_FRAME));
    }

    private void ready(EngineMessage.Ready ready) throws IOException, RefusedException, InterruptedException {
        if (mode == null) {
            throw new RefusedException("WrongState", "READY before HELLO");
        }
        if (draft != null) {
            throw new RefusedException("NotCommitted", "READY before COMMIT: the memory is still being written");
        }
        boolean keepsItsOwn = mode == Mode.Attach && !attached;
        if (keepsItsOwn) {
            // It has what it had before this sidecar came, or has loaded by itself.
            turnDown();
        } else if (mode == Mode.Attach) {
            held.refuseToWait(memory.attachable());
        }
        Runnable warmup = replica.engineReady(ready, mode != Mode.Bypass && !keepsItsOwn, questions);
        held.serving();
        // Before the warmup, whose save may ask this engine for its bytes.
        channel.send(new EngineMessage.Done());
        warmup.run();
    }

    private void abort(EngineMessage.Abort abort) throws IOException {
        LOG.warn("the engine gave up its memory: {}", abort.reason());
        dropDraft();
        if (mode == Mode.Attach && !held.copying()) {
            turnDown();
        }
        if (mode != null) {
            // It may still serve, from memory of its own.
            mode = Mode.Bypass;
        }
        channel.send(new EngineMessage.Done());
        if (held.copying()) {
            // What is on its way to it cannot be called back.
            channel.shutdown();
        }
    }

    /** The engine does not take the memory that it was welcomed to. */
    private void turnDown() {
        memory.turnDown();
        held.turnedDown();
    }

    private GenerationDraft draft(String request) throws RefusedException {
        if (draft == null) {
            throw new RefusedException("WrongState",
                    request + " is for an engine that was welcomed with Create and has not committed");
        }
        return draft;
    }

    private void dropDraft() {
        if (draft != null) {
            draft.close();
            draft = null;
        }
    }
}
