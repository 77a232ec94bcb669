package dev.dormouse.sidecar.cuda;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Piece;
import dev.dormouse.sidecar.client.EngineConnection;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import dev.dormouse.sidecar.transport.Frame;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Copies a restore from the ring to the device. This thread reads from the socket and submits copies; another one waits
 * for them and gives their slots back, so that neither waits for the other.
 */
final class RingReader {
    private static final Round END = new Round(List.of(), null);

    private final EngineConnection connection;
    private final CudaContext context;
    private final Map<Integer, DeviceRegion> regions;
    private final BlockingQueue<Round> submitted = new LinkedBlockingQueue<>();
    private final AtomicReference<@Nullable Exception> failure = new AtomicReference<>();

    private record Round(List<Integer> slots, @Nullable CudaEvent landed) {}

    RingReader(EngineConnection connection, CudaContext context, Map<Integer, DeviceRegion> regions) {
        this.connection = connection;
        this.context = context;
        this.regions = regions;
    }

    /** Returns when everything is on the device, verified. */
    void run() throws IOException, SnapshotRefusedException {
        try (Frame frame = connection.request(new EngineMessage.Ring(0, 0, 0), List.of())) {
            if (!(frame.message() instanceof EngineMessage.Ring ring) || frame.descriptors().size() != 1) {
                throw EngineConnection.unexpected(frame.message());
            }
            try (SharedRing memory = new SharedRing(context, frame.descriptors().getFirst(), ring.slots(),
                    ring.slotBytes()); CudaStream stream = new CudaStream(context)) {
                copy(memory, stream);
            }
        }
    }

    private void copy(SharedRing ring, CudaStream stream) throws IOException, SnapshotRefusedException {
        Map<Integer, CudaEvent> events = new HashMap<>();
        Thread giver = Thread.ofPlatform().daemon().name("ring").start(this::giveBack);
        try {
            while (true) {
                EngineMessage message;
                try (Frame frame = connection.next()) {
                    message = frame.message();
                }
                if (message instanceof EngineMessage.Waited) {
                    return;
                }
                if (!(message instanceof EngineMessage.Filled filled)) {
                    throw EngineConnection.unexpected(message);
                }
                List<Integer> slots = submit(filled.pieces(), ring, stream);
                if (!slots.isEmpty()) {
                    // A slot comes back only after its event was reached, so the event is free too.
                    CudaEvent landed = events.computeIfAbsent(slots.getFirst(), slot -> new CudaEvent(context));
                    landed.record(stream);
                    submitted.add(new Round(slots, landed));
                }
            }
        } catch (IOException e) {
            Exception cause = failure.get();
            throw cause == null ? e : new IOException("A copy to the device failed: " + cause.getMessage(), cause);
        } finally {
            submitted.add(END);
            join(giver);
            stream.synchronize();
            events.values().forEach(CudaEvent::close);
        }
    }

    private void giveBack() {
        try {
            context.bind();
            for (Round round = submitted.take(); round.landed != null; round = submitted.take()) {
                round.landed.synchronize();
                connection.send(new EngineMessage.Done(round.slots));
            }
        } catch (IOException | CudaException e) {
            // Whoever reads the socket is told, for the sidecar will wait for these slots for ever.
            failure.set(e);
            connection.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                // Memory under a running copy must not be unmapped: finish first.
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private List<Integer> submit(List<Piece> pieces, SharedRing ring, CudaStream stream) throws IOException {
        List<Integer> slots = new ArrayList<>();
        for (Piece piece : pieces) {
            DeviceRegion region = regions.get(piece.allocation());
            if (region == null || piece.offset() < 0 || piece.length() < 0
                    || piece.offset() > region.bytes() - piece.length()) {
                throw new IOException("The sidecar filled a slot for " + piece + ", which is no memory of this engine");
            }
            // Zeros need no copy: the memory was zeroed when it was allocated.
            if (piece.slot() != Piece.ZEROS) {
                stream.toDevice(region.address() + piece.offset(), ring.slot(piece.slot(), piece.length()));
                slots.add(piece.slot());
            }
        }
        return slots;
    }
}
