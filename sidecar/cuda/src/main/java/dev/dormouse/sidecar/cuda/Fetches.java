package dev.dormouse.sidecar.cuda;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Piece;
import dev.dormouse.sidecar.client.EngineConnection;
import dev.dormouse.sidecar.transport.Frame;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Answers a sidecar that saves memory which only this engine can reach. For one thread, after the engine is ready. */
final class Fetches implements EngineConnection.Requests, AutoCloseable {
    private final CudaContext context;
    private final Map<Integer, DeviceRegion> regions;
    private final Pause pause;
    private @Nullable SharedRing ring;
    private @Nullable CudaStream stream;

    Fetches(CudaContext context, Map<Integer, DeviceRegion> regions, EngineHooks hooks) {
        this.context = context;
        this.regions = regions;
        this.pause = new Pause(hooks);
    }

    @Override
    public @Nullable EngineMessage answer(Frame request) throws IOException {
        try {
            return switch (request.message()) {
                case EngineMessage.Fetch fetch -> fetch(fetch, request);
                case EngineMessage.Quiesce quiesce -> {
                    pause.begin(quiesce.maxPauseSeconds());
                    yield new EngineMessage.Done();
                }
                case EngineMessage.Resume resume -> {
                    pause.end();
                    yield new EngineMessage.Done();
                }
                default -> null;
            };
        } catch (CudaException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private EngineMessage fetch(EngineMessage.Fetch fetch, Frame frame) throws IOException {
        if (fetch.slots() == 0) {
            giveUpRing();
            return new EngineMessage.Filled(fetch.pieces());
        }
        if (fetch.fds() == 1) {
            giveUpRing();
            ring = new SharedRing(context, frame.descriptors().getFirst(), fetch.slots(), fetch.slotBytes());
            stream = new CudaStream(context);
        }
        SharedRing slots = ring;
        CudaStream copies = stream;
        if (slots == null || copies == null) {
            throw new IOException("The sidecar asks for bytes before it has sent a ring for them");
        }
        for (Piece piece : fetch.pieces()) {
            DeviceRegion region = regions.get(piece.allocation());
            if (region == null || piece.offset() < 0 || piece.offset() > region.bytes() - piece.length()) {
                throw new IOException("The sidecar asks for " + piece + ", which is no memory of this engine");
            }
            copies.toHost(slots.slot(piece.slot(), piece.length()), region.address() + piece.offset());
        }
        copies.synchronize();
        return new EngineMessage.Filled(fetch.pieces());
    }

    @Override
    public void close() {
        pause.close();
        giveUpRing();
    }

    private void giveUpRing() {
        if (ring != null && stream != null) {
            stream.close();
            ring.close();
            ring = null;
            stream = null;
        }
    }
}
