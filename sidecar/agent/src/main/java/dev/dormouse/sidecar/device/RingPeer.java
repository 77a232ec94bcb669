package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.EngineMessage.Piece;
import java.io.IOException;
import java.util.List;

/** The engine at the other end of a ring. Called by several threads; whatever fails means that it is gone. */
public interface RingPeer {
    /** Here is the ring; {@code descriptor} stays the caller's. */
    void ring(int slots, int slotBytes, int descriptor) throws IOException;

    /** These slots are to be copied to the device. */
    void copy(List<Piece> pieces) throws IOException;

    /** Here is a ring to save through; {@code descriptor} stays the caller's. */
    void saveRing(int slots, int slotBytes, int descriptor) throws IOException;

    /** These ranges are to be copied from the device to the slots. */
    void fetch(int slots, int slotBytes, List<Piece> pieces) throws IOException;
}
