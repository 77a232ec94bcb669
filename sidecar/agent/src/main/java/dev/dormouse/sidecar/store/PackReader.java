package dev.dormouse.sidecar.store;

import static dev.dormouse.sidecar.format.SnapshotFormat.ALIGNMENT;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.PackFrame;
import dev.dormouse.sidecar.pipeline.ChunkSource;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.List;

/** A snapshot's packs, opened and checked to be those that the manifest means. */
final class PackReader implements ChunkSource {
    private final SnapshotFiles files;
    private final List<PackEntry> packs;
    private final Closeable announcement;
    private final List<SnapshotFiles.OpenFile> open = new ArrayList<>();

    /** @param announcement that these packs are being read; closed when they are not any more */
    PackReader(SnapshotFiles files, List<PackEntry> packs, Closeable announcement)
            throws IOException, InvalidSnapshotException {
        this.files = files;
        this.packs = packs;
        this.announcement = announcement;
        try {
            for (PackEntry pack : packs) {
                open(pack);
            }
        } catch (IOException | InvalidSnapshotException e) {
            close();
            throw e;
        }
    }

    private void open(PackEntry pack) throws IOException, InvalidSnapshotException {
        String path = VolumePaths.pack(pack.id());
        try {
            SnapshotFiles.OpenFile file = open(pack.id());
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

    /** A collection may just be moving it to the trash, or back. */
    private SnapshotFiles.OpenFile open(String packId) throws IOException {
        try {
            return files.open(VolumePaths.pack(packId));
        } catch (NoSuchFileException moved) {
            try {
                return files.open(VolumePaths.trashed(packId));
            } catch (NoSuchFileException movedBack) {
                return files.open(VolumePaths.pack(packId));
            }
        }
    }

    private static ByteBuffer block(SnapshotFiles.OpenFile file, long position) throws IOException {
        ByteBuffer block = ByteBuffer.allocate(ALIGNMENT);
        file.read(block, position);
        return block.flip();
    }

    @Override
    public void read(Chunk chunk, ByteBuffer into) throws IOException {
        int start = into.position();
        try {
            open.get(chunk.pack()).read(into, chunk.offset());
        } catch (EOFException e) {
            throw e;
        } catch (IOException e) {
            readAnew(chunk, into.position(start), e);
        }
    }

    /** A network volume forgets the handle of a file that another node moved or rewrote; by its name it is there. */
    private void readAnew(Chunk chunk, ByteBuffer into, IOException first) throws IOException {
        try (SnapshotFiles.OpenFile file = open(packs.get(chunk.pack()).id())) {
            file.read(into, chunk.offset());
        } catch (IOException e) {
            first.addSuppressed(e);
            throw first;
        }
    }

    @Override
    public String describe(Chunk chunk) {
        return VolumePaths.pack(packs.get(chunk.pack()).id()) + " at " + chunk.offset();
    }

    @Override
    public void close() throws IOException {
        try (announcement) {
            for (SnapshotFiles.OpenFile file : open) {
                file.close();
            }
        }
    }
}
