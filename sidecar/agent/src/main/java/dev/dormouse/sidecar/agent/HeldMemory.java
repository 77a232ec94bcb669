package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.Generation.Part;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Piece;
import dev.dormouse.sidecar.cuda.CudaException;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.IpcDevice;
import dev.dormouse.sidecar.device.RingDevice;
import dev.dormouse.sidecar.device.RingPeer;
import dev.dormouse.sidecar.transport.MessageChannel;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one conversation says about memory that the engine holds: where it is (mode Ipc), or which slots of the ring have
 * been copied (mode Staged). In the other modes there is nothing to say. Requests come on the session's thread, the end of
 * a restore on a worker's.
 */
final class HeldMemory implements RingPeer {
    private static final Logger LOG = LoggerFactory.getLogger(HeldMemory.class);

    private final DeviceMemory device;
    private final MessageChannel channel;
    private final Questions questions;
    private final Set<Integer> exported = new HashSet<>();
    private volatile boolean copying;
    private volatile boolean copied;

    HeldMemory(DeviceMemory device, MessageChannel channel, Questions questions) {
        this.device = device;
        this.channel = channel;
        this.questions = questions;
    }

    /** Forgets an earlier attempt of the same connection. */
    void reset() {
        exported.clear();
        copied = false;
    }

    static void bind(IpcDevice device, Allocation allocation, EngineMessage.Export export) throws RefusedException {
        if (export.handle() == null) {
            throw new RefusedException("MissingField", "The message has no handle");
        }
        try {
            device.bind(allocation, export.handle(), export.offset());
        } catch (IllegalArgumentException e) {
            throw new RefusedException("BadHandle", String.valueOf(e.getMessage()), e);
        } catch (CudaException e) {
            if (e.contextLost()) {
                throw e;
            }
            throw new RefusedException("DeviceError", String.valueOf(e.getMessage()), e);
        }
    }

    /** The engine says where an allocation of the restored memory shall lie. */
    void bind(RestoredGeneration memory, int id, EngineMessage.Export export) throws RefusedException {
        if (!(device instanceof IpcDevice ipc)) {
            throw wrongMode("EXPORT");
        }
        Allocation allocation = memory.allocation(id);
        if (allocation == null) {
            throw new RefusedException("UnknownAllocation", "Allocation " + id + " is not one of those to attach to");
        }
        if (export.bytes() < allocation.bytes()) {
            throw new RefusedException("BadSize",
                    "Allocation " + id + " has " + allocation.bytes() + " bytes, not " + export.bytes());
        }
        bind(ipc, allocation, export);
        exported.add(id);
    }

    /** The engine is ready to copy. What follows, up to WAITED or FAILED, is sent as it happens. */
    void ring(RestoredGeneration memory, RestoreEnd end) throws RefusedException, IOException {
        if (!(device instanceof RingDevice staged)) {
            throw wrongMode("RING");
        }
        if (copying) {
            throw new RefusedException("WrongState", "RING while the ring runs");
        }
        copying = true;
        staged.connect(this);
        memory.whenArrived(() -> ended(staged, new EngineMessage.Waited()), refusal -> {
            end.refused(memory, refusal);
            ended(staged, new EngineMessage.Failed(refusal.code(), refusal.text()));
        });
    }

    /** What is to be done about a restore that failed, before the engine is told. */
    interface RestoreEnd {
        void refused(RestoredGeneration memory, RefusedException why);
    }

    private void ended(RingDevice staged, EngineMessage lastWord) {
        staged.retire();
        copied = lastWord instanceof EngineMessage.Waited;
        copying = false;
        try {
            channel.send(lastWord);
        } catch (IOException e) {
            LOG.info("the engine left during the restore: {}", e.getMessage());
        }
    }

    void landed(List<Integer> slots) {
        if (device instanceof RingDevice staged) {
            staged.landed(slots);
        }
    }

    private void fetched(EngineMessage answer) {
        if (device instanceof RingDevice staged) {
            switch (answer) {
                case EngineMessage.Filled filled -> staged.filled(filled.pieces());
                case EngineMessage.Failed failed -> staged.refused(failed.code() + ": " + failed.message());
                default -> staged.refused("it answered FETCH with " + answer.getClass().getSimpleName());
            }
        }
    }

    /** The engine does not want what is being restored: nothing more goes into a ring for it. */
    void turnedDown() {
        if (device instanceof RingDevice staged && !copying) {
            staged.retire();
        }
    }

    /** While the ring runs only its own words may be said. */
    boolean copying() {
        return copying;
    }

    /** From here on the engine answers what it is asked. */
    void serving() {
        if (device instanceof RingDevice staged) {
            staged.saveFrom(this);
        }
    }

    /** Whoever waited for contents that nobody can bring would wait for ever. */
    void refuseToWait(Generation memory) throws RefusedException {
        if (!(memory instanceof RestoredGeneration)) {
            return;
        }
        if (device instanceof RingDevice && !copied) {
            throw new RefusedException("WrongState", "The contents come through the ring: RING first");
        }
        if (device instanceof IpcDevice
                && !memory.allocations().stream().map(Part::id).allMatch(exported::contains)) {
            throw new RefusedException("WrongState", "Not every allocation has been exported");
        }
    }

    private RefusedException wrongMode(String request) {
        return new RefusedException("WrongState", request + " is not for memory of mode " + device.mode());
    }

    @Override
    public void ring(int slots, int slotBytes, int descriptor) throws IOException {
        channel.send(new EngineMessage.Ring(1, slots, slotBytes), List.of(descriptor));
    }

    @Override
    public void copy(List<Piece> pieces) throws IOException {
        channel.send(new EngineMessage.Filled(pieces));
    }

    @Override
    public void saveRing(int slots, int slotBytes, int descriptor) throws IOException {
        questions.ask(new EngineMessage.Fetch(1, slots, slotBytes, List.of()), List.of(descriptor), this::fetched);
    }

    @Override
    public void fetch(int slots, int slotBytes, List<Piece> pieces) throws IOException {
        questions.ask(new EngineMessage.Fetch(0, slots, slotBytes, pieces), List.of(), this::fetched);
    }
}
