package dev.dormouse.sidecar.store;

import static dev.dormouse.sidecar.format.SnapshotFormat.ALIGNMENT;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.PackFrame;
import dev.dormouse.sidecar.pipeline.ChunkSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.List;

/** A snapshot's packs, opened and checked to be those that the manifest means. */
final class PackReader implements ChunkSource {
    private final List<PackEntry> packs;
    private final List<SnapshotFiles.OpenFile> open = new ArrayList<>();

    PackReader(SnapshotFiles files, List<PackEntry> packs) throws IOException, InvalidSnapshotException {
        this.packs = packs;
        try {
            for (PackEntry pack : packs) {
                open(files, pack);
            }
        } catch (IOException | InvalidSnapshotException e) {
            close();
            throw e;
        }
    }

    private void open(SnapshotFiles files, PackEntry pack) throws IOException, InvalidSnapshotException {
        String path = VolumePaths.pack(pack.id());
        try {
            SnapshotFiles.OpenFile file = files.open(path);
            open.add(file);
            if (file.size() != pack.bytes()) {
                throw new InvalidSnapshotException(Fault.InvalidPack,
                        path + ": has " + file.size() + " bytes, the manifest says " + pack.bytes());
            }
            PackFrame.checkHeader(path, block(file, 0), pack);
            PackFrame.checkFooter(path, block(file, pack.bytes() - ALIGNMENT), pack);
        } catch (NoSuchFileException e) {
            throw new InvalidSnapshotException(Fault.InvalidPack, path + ": is missing", e);
        }
    }

    private static ByteBuffer block(SnapshotFiles.OpenFile file, long position) throws IOException {
        ByteBuffer block = ByteBuffer.allocate(ALIGNMENT);
        file.read(block, position);
        return block.flip();
    }

    @Override
    public void read(Chunk chunk, ByteBuffer into) throws IOException {
        open.get(chunk.pack()).read(into, chunk.offset());
    }

    @Override
    public String describe(Chunk chunk) {
        return VolumePaths.pack(packs.get(chunk.pack()).id()) + " at " + chunk.offset();
    }

    @Override
    public void close() throws IOException {
        for (SnapshotFiles.OpenFile file : open) {
            file.close();
        }
    }
}
