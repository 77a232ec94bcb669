package dev.dormouse.gpu;

import dev.dormouse.sidecar.cuda.AddressRange;
import dev.dormouse.sidecar.cuda.CudaBlock;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaException;
import dev.dormouse.sidecar.cuda.CudaStream;
import dev.dormouse.sidecar.cuda.PinnedMemory;
import dev.dormouse.sidecar.transport.Mapping;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * What the driver says to uses that are wrong, and to some that are right and rare. {@link #main} prints one line each,
 * {@code use code expected name}: in a process of its own, because the last ones may cost a real GPU's context.
 */
final class WrongUses {
    private static final int OK = 0;

    /**
     * @param code a {@code CUresult}; -1 when it failed otherwise
     * @param expected what the stand-in answers, see {@code docs/stand-in.md}
     */
    record Answer(String name, int code, int expected) {}

    private final CudaContext context;
    private final List<Answer> answers = new ArrayList<>();
    private final long unit;

    private WrongUses(CudaContext context) {
        this.context = context;
        this.unit = context.granularity();
    }

    private interface Use {
        void attempt() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        try (CudaContext context = CudaContext.open(0)) {
            for (Answer answer : all(context)) {
                System.out.println("use " + answer.code + " " + answer.expected + " " + answer.name);
            }
        }
        // A context that is lost cannot be left in order.
        Runtime.getRuntime().halt(0);
    }

    static List<Answer> all(CudaContext context) throws IOException {
        var uses = new WrongUses(context);
        uses.memory();
        return uses.answers;
    }

    private void memory() throws IOException {
        long plain = context.allocate(unit);
        use("cuMemCreate of half a granule", CudaException.INVALID_VALUE, () -> CudaBlock.create(context, unit / 2));
        use("cuMemCreate of more than there is", CudaException.OUT_OF_MEMORY,
                () -> CudaBlock.create(context, context.totalBytes() / unit * unit * 4));
        CudaBlock block = CudaBlock.create(context, 2 * unit);
        AddressRange range = AddressRange.reserve(context, 4 * unit);
        use("cuMemSetAccess of what is not mapped", CudaException.INVALID_VALUE, () -> range.access(0, unit, true));
        range.map(0, block);
        use("cuMemMap where something is mapped", CudaException.INVALID_VALUE, () -> range.map(0, block));
        use("cuMemMap of a block at a second place", OK, () -> range.map(2 * unit, block));
        use("cuMemUnmap of half a block", CudaException.INVALID_VALUE, () -> range.unmap(2 * unit, unit));
        use("cuMemSetAccess over two mappings", OK, () -> range.access(0, 4 * unit, false));
        use("cuMemAddressFree while mapped", CudaException.INVALID_VALUE, range::close);
        use("cuIpcGetMemHandle of a cuMemCreate block", CudaException.INVALID_VALUE,
                () -> context.ipcHandle(range.address()));
        byte[] own = context.ipcHandle(plain);
        use("cuIpcOpenMemHandle in the exporting process", CudaException.INVALID_CONTEXT,
                () -> context.openIpcHandle(own));
        use("cuIpcOpenMemHandle of garbage", CudaException.INVALID_VALUE, () -> context.openIpcHandle(new byte[64]));
        try (MemoryFile file = MemoryFile.create("not-cuda", unit);
                Mapping mapping = file.mapReadWrite();
                Mapping reading = file.mapReadOnly()) {
            use("cuMemImportFromShareableHandle of a memfd of ours", CudaException.INVALID_VALUE,
                    () -> CudaBlock.imported(context, file.descriptor().number(), unit));
            use("cuMemHostRegister of a read-only mapping", CudaException.INVALID_VALUE,
                    () -> context.register(reading.segment()));
            use("cuMemHostRegister of a memfd", OK, () -> context.register(mapping.segment()));
            use("cuMemHostRegister again", 712, () -> context.register(mapping.segment()));
            use("cuMemHostUnregister", OK, () -> context.unregister(mapping.segment()));
            use("cuMemHostUnregister again", 713, () -> context.unregister(mapping.segment()));
        }
        copies(range, plain);
    }

    private void copies(AddressRange range, long plain) {
        CudaStream stream = new CudaStream(context);
        PinnedMemory host = context.pinned(unit * 2);
        use("copy into a read-only mapping", CudaException.INVALID_VALUE, () -> {
            stream.toDevice(range.address(), host.segment().asSlice(0, 4096));
            stream.synchronize();
        });
        use("copy from a read-only mapping", OK, () -> {
            stream.toHost(host.segment().asSlice(0, 4096), range.address());
            stream.synchronize();
        });
        use("copy past the end of a block", CudaException.INVALID_VALUE, () -> {
            stream.toDevice(plain + unit - 4096, host.segment().asSlice(0, 8192));
            stream.synchronize();
        });
        range.unmap(0, 4 * unit);
        use("copy into what was unmapped", CudaException.INVALID_VALUE, () -> {
            stream.toDevice(range.address(), host.segment().asSlice(0, 4096));
            stream.synchronize();
        });
    }

    private void use(String name, int expected, Use use) {
        int code = OK;
        try {
            use.attempt();
        } catch (CudaException e) {
            code = e.code();
        } catch (Exception e) {
            System.err.println(name + ": " + e);
            code = -1;
        }
        answers.add(new Answer(name, code, expected));
    }
}
