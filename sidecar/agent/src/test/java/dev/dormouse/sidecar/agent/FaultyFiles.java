package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.store.DiskFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** The real file system; tests override the operation that misbehaves. */
class FaultyFiles extends DiskFiles {

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
}
