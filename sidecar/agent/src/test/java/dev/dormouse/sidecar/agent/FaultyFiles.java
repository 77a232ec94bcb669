package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.store.DiskFiles;
import dev.dormouse.sidecar.store.SnapshotFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;

/** The real file system; tests override the operation that misbehaves. */
class FaultyFiles implements SnapshotFiles {
    private final SnapshotFiles disk = new DiskFiles();

    /** Claims to have no byte left. */
    static FaultyFiles withoutRoom() {
        return new FaultyFiles() {
            @Override
            public long usableBytes(Path folder) {
                return 0;
            }
        };
    }

    /** Claims to have room and runs full with the first byte past the first megabyte of a file. */
    static FaultyFiles runningFull() {
        return new FaultyFiles() {
            @Override
            public Output create(Path file) throws IOException {
                Output output = super.create(file);
                return new Output() {
                    @Override
                    public void write(ByteBuffer bytes, long position) throws IOException {
                        if (position + bytes.remaining() > 1 << 20) {
                            throw new IOException("No space left on device");
                        }
                        output.write(bytes, position);
                    }

                    @Override
                    public void sync() throws IOException {
                        output.sync();
                    }

                    @Override
                    public void close() throws IOException {
                        output.close();
                    }
                };
            }
        };
    }

    @Override
    public Output create(Path file) throws IOException {
        return disk.create(file);
    }

    @Override
    public FileChannel open(Path file) throws IOException {
        return disk.open(file);
    }

    @Override
    public byte[] read(Path file) throws IOException {
        return disk.read(file);
    }

    @Override
    public boolean exists(Path file) {
        return disk.exists(file);
    }

    @Override
    public List<Path> list(Path folder) throws IOException {
        return disk.list(folder);
    }

    @Override
    public void createFolders(Path folder) throws IOException {
        disk.createFolders(folder);
    }

    @Override
    public void rename(Path from, Path to) throws IOException {
        disk.rename(from, to);
    }

    @Override
    public void syncFolder(Path folder) throws IOException {
        disk.syncFolder(folder);
    }

    @Override
    public void delete(Path file) throws IOException {
        disk.delete(file);
    }

    @Override
    public long usableBytes(Path folder) throws IOException {
        return disk.usableBytes(folder);
    }
}
