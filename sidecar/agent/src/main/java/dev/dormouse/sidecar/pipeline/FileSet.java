package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.format.ChunkLayout;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The files of a snapshot, read one at a time and without its memory. */
public final class FileSet {
    private final Manifest manifest;
    private final ChunkTable table;
    private final ChunkSource source;
    private final Verification verification;
    private final @Nullable VolumeKey key;

    /** @param key what encrypted chunks are opened with; absent when there are none */
    public FileSet(Manifest manifest, ChunkTable table, ChunkSource source, Verification verification,
            @Nullable VolumeKey key) {
        this.manifest = manifest;
        this.table = table;
        this.source = source;
        this.verification = verification;
        this.key = key;
    }

    /** @throws RestoreException when there is no such file, it is larger than an array, or a chunk of it is damaged */
    public byte[] read(String name) throws RestoreException {
        int file = IntStream.range(0, manifest.files().size())
                .filter(i -> manifest.files().get(i).name().equals(name))
                .findFirst()
                .orElseThrow(() -> new RestoreException(Fault.UnknownName,
                        "snapshot " + manifest.id() + " has no file '" + name + "'"));
        long length = manifest.files().get(file).length();
        if (length > Integer.MAX_VALUE - Long.BYTES) {
            throw new RestoreException(Fault.OutOfMemory, "file '" + name + "' has " + length + " bytes");
        }
        ChunkLayout layout = manifest.layout();
        try (var host = new HostDevice(length);
                Allocation memory = host.allocate(length, BufferType.Other);
                Lane lane = host.openLane(manifest.chunkBytes());
                var decoder = new ChunkDecoder(source, verification, manifest.chunkBytes(), key)) {
            for (int chunk = layout.firstChunk(file, 0); chunk < layout.endChunk(file, 0, length); chunk++) {
                decoder.place(table.chunk(chunk), lane, memory, layout.piece(chunk).offset(), () -> {
                });
            }
            return lane.read(memory, 0, (int) length).toArray(ValueLayout.JAVA_BYTE);
        }
    }
}
