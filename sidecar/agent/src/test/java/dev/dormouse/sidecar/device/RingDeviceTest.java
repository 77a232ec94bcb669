package dev.dormouse.sidecar.device;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.Piece;
import dev.dormouse.sidecar.transport.Mapping;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jspecify.annotations.Nullable;

/** Bytes on their way through a ring to an engine that is slow, gone, late, or talks about slots of the past. */
@Timeout(60)
class RingDeviceTest {
    private static final int SLOT = 4096;

    private final RingDevice device = new RingDevice(2);
    private final Allocation allocation = device.allocate(1 << 20, BufferType.Weights);
    private final Engine engine = new Engine();

    /** An engine's end: copies nothing until it is told to. */
    private static final class Engine implements RingPeer {
        final BlockingQueue<Piece> pieces = new LinkedBlockingQueue<>();
        @Nullable
        Mapping ring;
        int rings;

        @Override
        public void ring(int slots, int slotBytes, int descriptor) throws IOException {
            rings++;
            ring = Mapping.readWrite(descriptor, (long) slots * slotBytes);
        }

        @Override
        public void copy(List<Piece> filled) {
            pieces.addAll(filled);
        }

        @Override
        public void saveRing(int slots, int slotBytes, int descriptor) throws IOException {
            ring(slots, slotBytes, descriptor);
        }

        @Override
        public void fetch(int slots, int slotBytes, List<Piece> wanted) {
            pieces.addAll(wanted);
        }

        Piece next() throws InterruptedException {
            Piece piece = pieces.poll(30, TimeUnit.SECONDS);
            if (piece == null) {
                throw new AssertionError("nothing was sent");
            }
            return piece;
        }

        byte first(Piece piece) {
            return slot(piece).get(JAVA_BYTE, 0);
        }

        MemorySegment slot(Piece piece) {
            if (ring == null) {
                throw new AssertionError("no ring was sent");
            }
            return ring.segment().asSlice((long) piece.slot() * SLOT, piece.length());
        }
    }

    @AfterEach
    void close() {
        device.close();
        if (engine.ring != null) {
            engine.ring.close();
        }
    }

    private void send(Lane lane, int number, AtomicInteger landed) {
        lane.slot(allocation, number * (long) SLOT, SLOT).fill((byte) number);
        lane.submit(landed::incrementAndGet);
    }

    @Test
    void whatIsFilledBeforeTheEngineComesIsSentWhenItDoes() throws Exception {
        AtomicInteger landed = new AtomicInteger();
        try (Lane lane = device.openLane(SLOT)) {
            send(lane, 1, landed);
            send(lane, 2, landed);

            device.connect(engine);

            Piece first = engine.next();
            assertThat(engine.first(first)).isEqualTo((byte) 1);
            assertThat(first.offset()).isEqualTo(SLOT);
            Piece second = engine.next();
            assertThat(engine.first(second)).isEqualTo((byte) 2);
            assertThat(landed).hasValue(0);
            device.landed(List.of(first.slot(), second.slot()));
            lane.drain();
            assertThat(landed).hasValue(2);
        }
    }

    @Test
    void aSlotIsFilledAgainOnlyWhenItWasGivenBack() throws Exception {
        AtomicInteger landed = new AtomicInteger();
        device.connect(engine);
        CompletableFuture<Void> worker = CompletableFuture.runAsync(() -> {
            try (Lane lane = device.openLane(SLOT)) {
                for (int i = 0; i < 20; i++) {
                    send(lane, i, landed);
                }
                lane.drain();
            }
        });
        for (int i = 0; i < 20; i++) {
            Piece piece = engine.next();
            assertThat(engine.first(piece)).isEqualTo((byte) i);
            assertThat(piece.offset()).isEqualTo(i * (long) SLOT);
            assertThat(engine.pieces.size()).as("two slots, one of them ours").isLessThanOrEqualTo(1);
            device.landed(List.of(piece.slot(), piece.slot(), 99, -1));
        }
        worker.get(30, TimeUnit.SECONDS);
        assertThat(landed).hasValue(20);
        assertThat(engine.rings).isEqualTo(1);
    }

    @Test
    void zerosAreToldWithoutASlot() throws Exception {
        device.connect(engine);
        AtomicInteger landed = new AtomicInteger();
        try (Lane lane = device.openLane(SLOT)) {
            lane.zero(allocation, 8192, 100, landed::incrementAndGet);
            assertThat(engine.next()).isEqualTo(new Piece(Piece.ZEROS, allocation.id(), 8192, 100));
            assertThat(landed).hasValue(1);
        }
    }

    @Test
    void whoWaitsForAnEngineThatDiesIsTold() throws Exception {
        device.connect(engine);
        CompletableFuture<Void> worker = CompletableFuture.runAsync(() -> {
            try (Lane lane = device.openLane(SLOT)) {
                for (int i = 0; i < 3; i++) {
                    send(lane, i, new AtomicInteger());
                }
            }
        });
        engine.next();
        engine.next();

        device.engineGone();

        assertThatThrownBy(() -> worker.get(30, TimeUnit.SECONDS)).hasCauseInstanceOf(AllocationLostException.class);
    }

    @Test
    void whatNobodyWantsAnyMoreFreesItsSlotsAndIsNotSent() throws Exception {
        Allocation wanted = device.allocate(SLOT, BufferType.Weights);
        try (Lane lane = device.openLane(SLOT)) {
            send(lane, 1, new AtomicInteger());
            send(lane, 2, new AtomicInteger());

            allocation.abandon();

            lane.drain();
            lane.slot(wanted, 0, SLOT).fill((byte) 9);
            lane.submit(() -> {
            });
            device.connect(engine);
            Piece only = engine.next();
            assertThat(only.allocation()).isEqualTo(wanted.id());
            assertThat(engine.pieces).isEmpty();
            device.landed(List.of(only.slot()));
            lane.drain();
            assertThatExceptionOfType(AllocationLostException.class).isThrownBy(() -> lane.slot(allocation, 0, SLOT));
        }
    }

    @Test
    void aRestoreThatBeginsAfterTheEngineAskedSendsItsRing() throws Exception {
        device.connect(engine);
        assertThat(engine.rings).isZero();
        try (Lane lane = device.openLane(SLOT)) {
            send(lane, 1, new AtomicInteger());
            assertThat(engine.rings).isEqualTo(1);
            device.landed(List.of(engine.next().slot()));
            lane.drain();
        }
    }

    @Test
    void theNextEngineGetsAnotherRing() throws Exception {
        device.connect(engine);
        try (Lane lane = device.openLane(SLOT)) {
            send(lane, 1, new AtomicInteger());
            device.landed(List.of(engine.next().slot()));
            lane.drain();
        }
        device.engineGone();
        Engine next = new Engine();
        device.connect(next);
        try (Lane lane = device.openLane(SLOT)) {
            send(lane, 2, new AtomicInteger());
            Piece piece = next.next();
            next.slot(piece).fill((byte) 5);
            assertThat(engine.first(piece)).as("the old engine sees nothing of it").isNotEqualTo((byte) 5);
            device.landed(List.of(piece.slot()));
            lane.drain();
        }
        if (next.ring != null) {
            next.ring.close();
        }
    }

    @Test
    void bytesToSaveComeThroughARingOfTheirOwn() throws Exception {
        assertThatExceptionOfType(AllocationLostException.class).isThrownBy(() -> {
            try (Lane lane = device.openLane(SLOT)) {
                lane.read(allocation, 0, 10);
            }
        });
        device.saveFrom(engine);
        List<Byte> read = new ArrayList<>();
        CompletableFuture<Void> saver = CompletableFuture.runAsync(() -> {
            try (Lane lane = device.openLane(SLOT)) {
                for (int i = 0; i < 3; i++) {
                    read.add(lane.read(allocation, i * 10L, 10).get(JAVA_BYTE, 9));
                }
            }
        });
        for (int i = 0; i < 3; i++) {
            Piece wanted = engine.next();
            assertThat(wanted.offset()).isEqualTo(i * 10L);
            engine.slot(wanted).fill((byte) (40 + i));
            device.filled(List.of(wanted));
        }
        saver.get(30, TimeUnit.SECONDS);
        assertThat(read).containsExactly((byte) 40, (byte) 41, (byte) 42);
    }

    @Test
    void anEngineThatCannotBringWhatIsAskedEndsTheSave() throws Exception {
        device.saveFrom(engine);
        CompletableFuture<Void> saver = CompletableFuture.runAsync(() -> {
            try (Lane lane = device.openLane(SLOT)) {
                lane.read(allocation, 0, 10);
            }
        });
        engine.next();

        device.refused("DeviceError: it broke");

        assertThatThrownBy(() -> saver.get(30, TimeUnit.SECONDS)).hasRootCauseMessage(
                "the engine refused: DeviceError: it broke");
    }
}
