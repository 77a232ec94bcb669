package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.OutOfDeviceMemoryException;
import dev.dormouse.sidecar.device.ReceivedFile;
import dev.dormouse.sidecar.pipeline.Restore;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.transport.Frame;
import dev.dormouse.sidecar.transport.FramedSocket;
import dev.dormouse.sidecar.transport.ProtocolException;
import java.io.EOFException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One engine's connection, from hello to its end, on one thread. The connection is the lock on the replica's memory. */
final class EngineSession {
    private final FramedSocket socket;
    private final Replica replica;

    EngineSession(FramedSocket socket, Replica replica) {
        this.socket = socket;
        this.replica = replica;
    }

    /** Returns when the engine hung up; throws when it broke the protocol. */
    void run() throws IOException, InterruptedException {
        Frame first = socket.receive();
        if (!(first.message() instanceof EngineMessage.Hello hello)) {
            first.closeDescriptors();
            throw new ProtocolException("the first message must be HELLO");
        }
        EngineMessage.Welcome welcome = replica.welcome(hello);
        socket.send(welcome);
        try {
            while (true) {
                Frame frame = socket.receive();
                try {
                    answer(welcome, frame);
                } catch (Generation.RefusedException e) {
                    socket.send(new EngineMessage.Failed(e.code(), String.valueOf(e.getMessage())));
                } catch (OutOfDeviceMemoryException e) {
                    socket.send(new EngineMessage.Failed("OutOfMemory", String.valueOf(e.getMessage())));
                }
            }
        } catch (EOFException hungUp) {
            // The engine is done or dead; either way its place is free.
        } finally {
            replica.engineGone();
        }
    }

    private void answer(EngineMessage.Welcome welcome, Frame frame) throws IOException, InterruptedException {
        switch (frame.message()) {
            case EngineMessage.Alloc alloc -> {
                Allocation allocation = writable(welcome).allocate(alloc);
                socket.send(new EngineMessage.Allocated(1, allocation.id(), allocation.bytes()),
                        List.of(allocation.fd()));
            }
            case EngineMessage.PutMeta meta -> {
                writable(welcome).name(meta.buffers());
                socket.send(new EngineMessage.Done());
            }
            case EngineMessage.PutFile file -> putFile(welcome, frame, file);
            case EngineMessage.Commit commit -> {
                writable(welcome).commit();
                socket.send(new EngineMessage.Committed());
            }
            case EngineMessage.Attach attach -> attach(welcome);
            case EngineMessage.Wait wait -> await(wait);
            case EngineMessage.Ready ready -> {
                replica.engineReady(ready);
                socket.send(new EngineMessage.Done());
            }
            case EngineMessage.Abort abort -> throw new EOFException(abort.reason());
            default -> {
                frame.closeDescriptors();
                throw new ProtocolException("an engine does not send " + frame.message().getClass().getSimpleName());
            }
        }
    }

    private Generation writable(EngineMessage.Welcome welcome) throws IOException {
        if (welcome.mode() != EngineMessage.Mode.Create) {
            throw new Generation.RefusedException("WrongMode", "in mode " + welcome.mode() + " nothing can be written");
        }
        return replica.generation().orElseThrow(() -> new ProtocolException("no generation is open"));
    }

    private void putFile(EngineMessage.Welcome welcome, Frame frame, EngineMessage.PutFile file) throws IOException {
        if (frame.descriptors().size() != 1) {
            frame.closeDescriptors();
            throw new ProtocolException("PUT_FILE carries one descriptor, not " + frame.descriptors().size());
        }
        Generation generation;
        try {
            generation = writable(welcome);
        } catch (IOException e) {
            frame.closeDescriptors();
            throw e;
        }
        generation.putFile(file, frame.descriptors().getFirst());
        socket.send(new EngineMessage.Done());
    }

    private void attach(EngineMessage.Welcome welcome) throws IOException {
        if (welcome.mode() != EngineMessage.Mode.Attach) {
            throw new Generation.RefusedException("WrongMode",
                    "in mode " + welcome.mode() + " there is nothing to attach");
        }
        List<Part> parts = new ArrayList<>();
        List<EngineMessage.BufferMeta> buffers;
        Optional<Restore> restore = replica.restore();
        if (restore.isPresent()) {
            int number = 0;
            for (Allocation allocation : restore.get().allocations()) {
                parts.add(Part.allocation(number++, allocation.bytes(), allocation.fd()));
            }
            for (Map.Entry<String, Allocation> file : restore.get().files().entrySet()) {
                parts.add(Part.file(file.getKey(), file.getValue().bytes(), file.getValue().fd()));
            }
            buffers = restore.get().snapshot().manifest().buffers();
        } else {
            Generation generation = replica.generation()
                    .filter(Generation::committed)
                    .orElseThrow(
                            () -> new Generation.RefusedException("Gone", "the snapshot was refused: say HELLO again"));
            for (Allocation allocation : generation.allocations()) {
                parts.add(Part.allocation(allocation.id(), allocation.bytes(), allocation.fd()));
            }
            for (Map.Entry<String, ReceivedFile> file : generation.files().entrySet()) {
                parts.add(Part.file(file.getKey(), file.getValue().bytes(), file.getValue().fd()));
            }
            buffers = generation.buffers();
        }
        sendAttached(parts, buffers);
    }

    /** Something of the attachment that travels as a descriptor: an allocation or a file. */
    private record Part(Optional<EngineMessage.AllocationMeta> allocation, Optional<EngineMessage.FileMeta> file,
            int fd) {
        static Part allocation(int id, long bytes, int fd) {
            return new Part(Optional.of(new EngineMessage.AllocationMeta(id, bytes)), Optional.empty(), fd);
        }

        static Part file(String name, long bytes, int fd) {
            return new Part(Optional.empty(), Optional.of(new EngineMessage.FileMeta(name, bytes)), fd);
        }
    }

    /** As many frames as the descriptors need; the buffers' names travel in the last. */
    private void sendAttached(List<Part> parts, List<EngineMessage.BufferMeta> buffers) throws IOException {
        int at = 0;
        do {
            List<Part> some = parts.subList(at, Math.min(parts.size(), at + EngineMessage.MAX_FDS));
            at += some.size();
            boolean more = at < parts.size();
            socket.send(
                    new EngineMessage.Attached(some.size(), more,
                            some.stream().flatMap(part -> part.allocation().stream()).toList(),
                            more ? List.of() : buffers, some.stream().flatMap(part -> part.file().stream()).toList()),
                    some.stream().map(Part::fd).toList());
        } while (at < parts.size());
    }

    private void await(EngineMessage.Wait wait) throws IOException, InterruptedException {
        Optional<Restore> restore = replica.restore();
        if (restore.isEmpty()) {
            boolean intact = replica.generation().filter(Generation::committed).isPresent();
            socket.send(intact
                    ? new EngineMessage.Waited()
                    : replica.gone());
            return;
        }
        try {
            restore.get().await(wait.buffer());
            socket.send(new EngineMessage.Waited());
        } catch (RestoreException e) {
            replica.dropRestore(restore.get(), e);
            socket.send(new EngineMessage.Failed(e.code(), String.valueOf(e.getMessage())));
        } catch (IllegalArgumentException e) {
            socket.send(new EngineMessage.Failed("UnknownName", String.valueOf(e.getMessage())));
        }
    }
}
