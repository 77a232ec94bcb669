package dev.dormouse.sidecar.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.StagedDevice;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.AllocationEntry;
import dev.dormouse.sidecar.format.Manifest.FileEntry;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.store.SampleModel;
import dev.dormouse.sidecar.transport.Mapping;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a restore promises while it runs. Chunks are let through one by one: file f, then a, then b (3 chunks each). */
@Timeout(30)
class RestoreTaskTest {
    private static final int CHUNK = 4096;
    private static final Digest NO_DIGEST = new Digest(0, 0, 0, 0);
    private static final RestoreOptions ONE_WORKER = new RestoreOptions(Verification.Crc, 1);

    private final byte[] content = new byte[9 * CHUNK];
    private final GatedSource source = new GatedSource();
    private final HostDevice device = new HostDevice(1 << 20);

    RestoreTaskTest() {
        new Random(3).nextBytes(content);
        Arrays.fill(content, 4 * CHUNK, 5 * CHUNK, (byte) 0);
    }

    @Test
    @DisplayName("S61: a file or buffer can be used as soon as it is complete, while the rest still arrives")
    void awaitOne() throws Exception {
        try (RestoreTask task = start(device, ONE_WORKER)) {
            source.letThrough(3);
            task.await("f");
            assertThat(task.progress().bytes()).isEqualTo(3 * CHUNK);
            assertThat(task.progress().percent()).isBetween(33.3, 33.4);
            assertThat(task.done()).isNotDone();

            // a's second chunk is zero and is not read at all
            source.letThrough(2);
            task.await("a");
            assertThat(SampleModel.bytes(device, task.allocations().get(0), 0, 3 * CHUNK))
                    .isEqualTo(Arrays.copyOfRange(content, 3 * CHUNK, 6 * CHUNK));
            assertThat(task.done()).isNotDone();

            source.letThrough(3);
            task.await(null);
            assertThat(task.done().join().bytes()).isEqualTo(9 * CHUNK);
        }
        assertThat(source.closed).isTrue();
        assertThat(device.usedBytes()).isZero();
    }

    @Test
    @DisplayName("Memory is there at once, closed to all other writers, and sealed at the end")
    void memoryIsSealed() throws Exception {
        try (RestoreTask task = start(device, ONE_WORKER)) {
            Allocation a = task.allocations().getFirst();
            assertThatIOException().isThrownBy(() -> Mapping.readWrite(a.fd(), a.bytes()));
            try (Mapping engine = Mapping.readOnly(a.fd(), a.bytes())) {
                source.letThrough(100);
                task.done().join();
                assertThat(engine.segment().toArray(ValueLayout.JAVA_BYTE))
                        .isEqualTo(Arrays.copyOfRange(content, 3 * CHUNK, 6 * CHUNK));
            }
            assertThatIOException()
                    .isThrownBy(
                            () -> Mapping.readWrite(task.files().getFirst().fd(), task.files().getFirst().length()));
        }
    }

    @Test
    @DisplayName("Optional buffers are not waited for unless named")
    void optional() throws Exception {
        try (RestoreTask task = start(device, ONE_WORKER)) {
            source.letThrough(5);
            task.await("a");
            source.letThrough(1);
            // b's last two chunks hold the optional buffer only
            task.await(null);
            assertThat(task.done()).isNotDone();
            source.letThrough(2);
            task.await("optional");
        }
    }

    @Test
    @DisplayName("W60: what only optional buffers need is read last, wherever it lies")
    void optionalLast() throws Exception {
        try (RestoreTask task = start(device, ONE_WORKER, true)) {
            // f, then b; a is optional and has one chunk of zeros that is not read
            source.letThrough(6);
            task.await(null);
            assertThat(source.order).containsExactly(0L, 4096L, 8192L, 24576L, 28672L, 32768L);
            assertThat(task.done()).isNotDone();
            source.letThrough(2);
            task.await("a");
        }
    }

    @Test
    @DisplayName("S21: allocations of types that nobody asked for take no memory and are not read")
    void partial() throws Exception {
        source.letThrough(100);
        var files = new RestoreOptions(Verification.Crc, 1, Set.of(BufferType.KvCache));
        try (RestoreTask task = start(device, files)) {
            assertThat(task.done().join().bytes()).isEqualTo(3 * CHUNK);
            assertThat(task.progress().totalBytes()).isEqualTo(3 * CHUNK);
            assertThat(task.buffers()).isEmpty();
            assertThat(device.usedBytes()).isZero();
            assertThat(source.order).containsExactly(0L, 4096L, 8192L);
            assertThatExceptionOfType(RestoreException.class).isThrownBy(() -> task.await("a"));
        }
    }

    @Test
    @DisplayName("S64: the content comes from and goes to device memory, also of a device whose copies arrive late")
    void aDeviceWhoseCopiesArriveLate() throws Exception {
        var staged = new StagedDevice(1 << 20);
        source.letThrough(100);
        try (staged; RestoreTask task = start(staged, new RestoreOptions(Verification.Crc, 2))) {
            task.await(null);
            task.await("optional");
            assertThat(SampleModel.bytes(staged.memory(), task.allocations().get(0), 0, 3 * CHUNK))
                    .isEqualTo(Arrays.copyOfRange(content, 3 * CHUNK, 6 * CHUNK));
            assertThat(SampleModel.bytes(staged.memory(), task.allocations().get(1), 0, 3 * CHUNK))
                    .isEqualTo(Arrays.copyOfRange(content, 6 * CHUNK, 9 * CHUNK));
        }
    }

    @Test
    @DisplayName("S32: the first error ends the restore for all who wait and for the workers")
    void firstError() throws Exception {
        source.corrupt = 3;
        try (RestoreTask task = start(device, ONE_WORKER)) {
            source.letThrough(100);

            assertThatExceptionOfType(RestoreException.class).isThrownBy(() -> task.await(null))
                    .satisfies(e -> assertThat(e.code()).isEqualTo("ChecksumMismatch"));
            assertThatExceptionOfType(RestoreException.class).isThrownBy(() -> task.await("f"));
            assertThatExceptionOfType(CompletionException.class).isThrownBy(() -> task.done().join())
                    .withCauseInstanceOf(RestoreException.class);
            assertThat(source.reads).hasValue(4);
        }
        assertThat(device.usedBytes()).isZero();
    }

    @Test
    @DisplayName("S63: a volume that fails to read is told apart from damage")
    void readErrors() throws Exception {
        source.failAt = 2;
        try (RestoreTask task = start(device, ONE_WORKER)) {
            source.letThrough(100);
            assertThatExceptionOfType(RestoreException.class).isThrownBy(() -> task.await(null))
                    .withMessage("chunk at 8192: Input/output error")
                    .satisfies(e -> assertThat(e.fault()).isEqualTo(Fault.ReadFailed))
                    .satisfies(e -> assertThat(e.fault().damage()).isFalse());
        }
    }

    @Test
    @DisplayName("S61: cancelling wakes everybody and frees the memory once nothing is in flight")
    void cancel() throws Exception {
        var refused = new CountDownLatch(1);
        try (RestoreTask task = start(device, ONE_WORKER)) {
            Thread waiting = Thread.ofPlatform().start(() -> {
                try {
                    task.await("a");
                } catch (RestoreException e) {
                    refused.countDown();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            task.cancel();
            refused.await();
            waiting.join();
            assertThatExceptionOfType(RestoreException.class).isThrownBy(() -> task.await(null))
                    .satisfies(e -> assertThat(e.fault()).isEqualTo(Fault.Cancelled));
            source.letThrough(100);
        }
        assertThat(source.closed).isTrue();
        assertThat(source.reads.get()).isLessThanOrEqualTo(1);
        assertThat(device.usedBytes()).isZero();
    }

    @Test
    void closingFromTheEndOfTheRestoreItself() throws Exception {
        source.letThrough(100);
        RestoreTask task = start(device, new RestoreOptions(Verification.Crc, 4));

        task.done().thenRun(task::close).join();

        assertThat(device.usedBytes()).isZero();
    }

    @Test
    void unknownNamesAreAnError() throws Exception {
        try (RestoreTask task = start(device, ONE_WORKER)) {
            source.letThrough(100);
            assertThatExceptionOfType(RestoreException.class).isThrownBy(() -> task.await("c"))
                    .satisfies(e -> assertThat(e.fault()).isEqualTo(Fault.UnknownName));
        }
    }

    @Test
    @DisplayName("S62: a device without room refuses at once and keeps nothing")
    void outOfMemory() {
        var small = new HostDevice(4 * CHUNK);

        assertThatExceptionOfType(RestoreException.class).isThrownBy(() -> start(small, ONE_WORKER))
                .satisfies(e -> assertThat(e.fault()).isEqualTo(Fault.OutOfMemory));
        assertThat(small.usedBytes()).isZero();
    }

    @Test
    void defectsOfOursDoNotHang() throws Exception {
        source.defectAt = 1;
        try (RestoreTask task = start(device, ONE_WORKER)) {
            source.letThrough(100);
            assertThatExceptionOfType(RestoreException.class).isThrownBy(() -> task.await(null))
                    .satisfies(e -> assertThat(e.fault()).isEqualTo(Fault.Internal));
        }
    }

    private RestoreTask start(DeviceMemory memory, RestoreOptions options) throws RestoreException {
        return start(memory, options, false);
    }

    private RestoreTask start(DeviceMemory memory, RestoreOptions options, boolean firstIsOptional)
            throws RestoreException {
        var chunks = new ArrayList<Chunk>();
        for (int i = 0; i < 9; i++) {
            chunks.add(i == 4
                    ? Chunk.zero(CHUNK, NO_DIGEST)
                    : new Chunk(0, (long) i * CHUNK, CHUNK, CHUNK, Codec.Raw, crc(i), NO_DIGEST));
        }
        ChunkTable table = ChunkTable.of(chunks);
        var manifest = new Manifest(SnapshotFormat.NAME, SnapshotFormat.VERSION, "20261121t101530123z-9f86d081884c7d65",
                "key", Map.of(),
                Instant.EPOCH, 9 * CHUNK, 8 * CHUNK, "", "", Manifest.PLAIN, CHUNK,
                List.of(new AllocationEntry(3 * CHUNK, BufferType.Weights),
                        new AllocationEntry(3 * CHUNK, BufferType.Weights)),
                List.of(buffer("a", 0, 0, 3 * CHUNK, firstIsOptional), buffer("b", 1, 0, CHUNK, false),
                        buffer("optional", 1, CHUNK, 2 * CHUNK, !firstIsOptional)),
                List.of(new FileEntry("f", 3 * CHUNK)), List.of(), table.entry());
        return RestoreTask.start(manifest, table, source, memory, options, null);
    }

    private static BufferMeta buffer(String name, int allocation, long offset, long length, boolean optional) {
        return new BufferMeta(name, allocation, offset, length, BufferType.Weights, "u8", List.of(length), optional);
    }

    private int crc(int chunk) {
        var crc = new CRC32C();
        crc.update(content, chunk * CHUNK, CHUNK);
        return (int) crc.getValue();
    }

    /** Gives a chunk only when it was let through. */
    private final class GatedSource implements ChunkSource {
        private final Semaphore gate = new Semaphore(0);
        private final AtomicInteger reads = new AtomicInteger();
        private final AtomicBoolean closed = new AtomicBoolean();
        private final List<Long> order = Collections.synchronizedList(new ArrayList<>());
        private int corrupt = -1;
        private int failAt = -1;
        private int defectAt = -1;

        void letThrough(int chunks) {
            gate.release(chunks);
        }

        @Override
        public void read(Chunk chunk, ByteBuffer into) throws IOException {
            gate.acquireUninterruptibly();
            int read = reads.getAndIncrement();
            order.add(chunk.offset());
            if (read == failAt) {
                throw new IOException("Input/output error");
            }
            if (read == defectAt) {
                throw new IllegalStateException("a defect");
            }
            if (chunk.offset() + into.remaining() > content.length) {
                throw new EOFException();
            }
            into.put(content, (int) chunk.offset(), into.remaining());
            if (read == corrupt) {
                into.put(17, (byte) (into.get(17) ^ 1));
            }
        }

        @Override
        public String describe(Chunk chunk) {
            return "chunk at " + chunk.offset();
        }

        @Override
        public void close() {
            closed.set(true);
        }
    }
}
