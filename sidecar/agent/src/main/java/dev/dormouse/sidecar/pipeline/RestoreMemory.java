package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.device.OutOfDeviceMemoryException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.AllocationEntry;
import dev.dormouse.sidecar.format.Manifest.FileEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The memory a snapshot is restored into: one allocation per extent, files in host memory, the rest on the device. Closed
 * to other writers before anybody else sees it.
 */
final class RestoreMemory implements AutoCloseable {
    private final DeviceMemory device;
    private final HostDevice host = new HostDevice(Long.MAX_VALUE);
    private final List<Allocation> files = new ArrayList<>();
    /** By their index in the manifest; those that are not restored are missing. */
    private final Map<Integer, Allocation> allocations = new TreeMap<>();

    /**
     * @param types of the allocations that are restored
     * @throws OutOfDeviceMemoryException when it does not fit; then nothing stays allocated
     */
    RestoreMemory(Manifest manifest, DeviceMemory device, Set<BufferType> types) {
        this.device = device;
        try {
            for (FileEntry file : manifest.files()) {
                files.add(host.allocate(file.length(), BufferType.Other));
            }
            for (int i = 0; i < manifest.allocations().size(); i++) {
                AllocationEntry allocation = manifest.allocations().get(i);
                if (types.contains(allocation.bufferType())) {
                    allocations.put(i, device.allocate(allocation.bytes(), allocation.bufferType()));
                }
            }
            files.forEach(Allocation::sealForOthers);
            allocations.values().forEach(Allocation::sealForOthers);
        } catch (OutOfDeviceMemoryException e) {
            close();
            throw e;
        }
    }

    List<Allocation> files() {
        return files;
    }

    /** Those that are restored, in the order of the manifest. */
    List<Allocation> allocations() {
        return List.copyOf(allocations.values());
    }

    boolean restores(int allocation) {
        return allocations.containsKey(allocation);
    }

    Allocation allocation(int index) {
        Allocation allocation = allocations.get(index);
        if (allocation == null) {
            throw new IllegalStateException("allocation " + index + " is not restored");
        }
        return allocation;
    }

    Allocation extent(int extent) {
        return isFile(extent) ? files.get(extent) : allocation(extent - files.size());
    }

    /** The present thread's lanes. */
    Lanes openLanes(int chunkBytes) {
        return new Lanes(device.openLane(chunkBytes), host.openLane(chunkBytes));
    }

    private boolean isFile(int extent) {
        return extent < files.size();
    }

    /** The contents are of no use any more: workers that wait for an engine's memory stop waiting. */
    void abandon() {
        allocations.values().forEach(Allocation::abandon);
    }

    /** Nobody writes from now on. */
    void seal() {
        files.forEach(Allocation::seal);
        allocations.values().forEach(Allocation::seal);
    }

    @Override
    public void close() {
        files.forEach(Allocation::close);
        allocations.values().forEach(Allocation::close);
    }

    final class Lanes implements AutoCloseable {
        private final Lane toDevice;
        private final Lane toHost;

        private Lanes(Lane toDevice, Lane toHost) {
            this.toDevice = toDevice;
            this.toHost = toHost;
        }

        Lane to(int extent) {
            return isFile(extent) ? toHost : toDevice;
        }

        void drain() {
            toDevice.drain();
            toHost.drain();
        }

        @Override
        public void close() {
            try (toDevice; toHost) {
                drain();
            }
        }
    }
}
