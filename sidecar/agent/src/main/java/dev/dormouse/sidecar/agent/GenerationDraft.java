package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.cuda.CudaException;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.IpcDevice;
import dev.dormouse.sidecar.device.OutOfDeviceMemoryException;
import dev.dormouse.sidecar.transport.Descriptor;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Memory that one connection is filling. Closed before it is committed, its memory is released and never reused: the
 * engine that went away may have work in flight on it.
 */
final class GenerationDraft implements AutoCloseable {
    private final DeviceMemory device;
    private final Map<String, String> compatibility;
    private final BufferTable table = new BufferTable();
    private final Map<Integer, Allocation> memory = new LinkedHashMap<>();
    private final Map<String, MemoryFile> files = new LinkedHashMap<>();
    private boolean committed;

    GenerationDraft(DeviceMemory device, Map<String, String> compatibility) {
        this.device = device;
        this.compatibility = compatibility;
    }

    Allocation allocate(long bytes, BufferType type) throws RefusedException {
        table.checkAllocation(bytes, type);
        Allocation allocation;
        try {
            allocation = device.allocate(bytes, type);
        } catch (OutOfDeviceMemoryException e) {
            throw new RefusedException("OutOfMemory", String.valueOf(e.getMessage()), e);
        } catch (CudaException e) {
            if (e.contextLost()) {
                throw e;
            }
            throw new RefusedException("DeviceError", String.valueOf(e.getMessage()), e);
        }
        memory.put(allocation.id(), allocation);
        table.allocated(allocation.id(), allocation.bytes(), type);
        return allocation;
    }

    /** Memory that the engine holds and has exported. */
    Allocation export(EngineMessage.Export export) throws RefusedException {
        if (!(device instanceof IpcDevice ipc)) {
            throw new RefusedException("WrongState",
                    "EXPORT is for memory of mode Ipc, this sidecar's is " + device.mode());
        }
        Allocation allocation = allocate(export.bytes(), export.bufferType());
        HeldMemory.bind(ipc, allocation, export);
        return allocation;
    }

    void put(List<BufferMeta> buffers) throws RefusedException {
        table.put(buffers);
    }

    void putFile(String name, long length, Descriptor source) throws RefusedException {
        table.checkFile(name, length);
        try {
            files.put(name, MemoryFile.copyOf(name, source, length));
        } catch (IOException e) {
            throw new RefusedException("BadFile", "File " + name + " cannot be read: " + e.getMessage(), e);
        }
        table.fileTaken(name, length);
    }

    /** Freezes everything: from here on no process can get a new writable mapping. */
    CommittedGeneration commit() throws RefusedException {
        if (table.empty()) {
            throw new RefusedException("NothingToCommit", "No buffer and no file has been declared");
        }
        memory.values().forEach(Allocation::seal);
        committed = true;
        return new CommittedGeneration(compatibility, memory, table.buffers(), files);
    }

    /** Releases what was not committed. */
    @Override
    public void close() {
        if (!committed) {
            memory.values().forEach(Allocation::close);
            files.values().forEach(MemoryFile::close);
        }
    }
}
