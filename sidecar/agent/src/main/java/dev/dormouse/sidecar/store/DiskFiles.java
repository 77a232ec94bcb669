package dev.dormouse.sidecar.store;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A volume on a mounted file system. Follows no symbolic link below its root: whoever can write to the volume must not be
 * able to make the sidecar read or write elsewhere. What it creates is for its user and group alone.
 */
public class DiskFiles implements SnapshotFiles {
    private static final FileAttribute<?> FOLDER_MODE = PosixFilePermissions
            .asFileAttribute(PosixFilePermissions.fromString("rwxr-x---"));
    private static final FileAttribute<?> FILE_MODE = PosixFilePermissions
            .asFileAttribute(PosixFilePermissions.fromString("rw-r-----"));

    private final Path root;

    /** @param root a folder that exists; it may be reached by links itself */
    public DiskFiles(Path root) throws IOException {
        this.root = root.toRealPath();
    }

    private Path resolve(String path) throws IOException {
        Path resolved = root.resolve(path).normalize();
        if (!resolved.startsWith(root)) {
            throw new IOException(path + " leads out of the volume " + root);
        }
        Path folder = resolved.getParent();
        if (folder != null && folder.startsWith(root) && Files.exists(folder) && !folder.toRealPath().equals(folder)) {
            throw new IOException(path + " leads through a symbolic link");
        }
        return resolved;
    }

    @Override
    public void createFolder(String path) throws IOException {
        Path folder = resolve(path);
        try {
            Files.createDirectory(folder, FOLDER_MODE);
        } catch (FileAlreadyExistsException e) {
            if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
                throw e;
            }
        }
    }

    @Override
    public List<String> list(String folder) throws IOException {
        var names = new ArrayList<String>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(resolve(folder))) {
            entries.forEach(entry -> names.add(entry.getFileName().toString()));
        } catch (NoSuchFileException none) {
            return List.of();
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        return names;
    }

    @Override
    public boolean exists(String path) throws IOException {
        return Files.exists(resolve(path), LinkOption.NOFOLLOW_LINKS);
    }

    @Override
    public byte[] read(String path, int maxBytes) throws IOException {
        try (OpenFile file = open(path)) {
            if (file.size() > maxBytes) {
                throw new IOException(path + " has " + file.size() + " bytes; at most " + maxBytes + " are read");
            }
            ByteBuffer bytes = ByteBuffer.allocate((int) file.size());
            file.read(bytes, 0);
            return bytes.array();
        }
    }

    @Override
    public OpenFile open(String path) throws IOException {
        return new DiskFile(path,
                FileChannel.open(resolve(path), Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)));
    }

    @Override
    public NewFile create(String path) throws IOException {
        return new DiskFile(path, FileChannel.open(resolve(path),
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), FILE_MODE));
    }

    @Override
    public void rename(String from, String to) throws IOException {
        Files.move(resolve(from), resolve(to), StandardCopyOption.ATOMIC_MOVE);
    }

    @Override
    public void delete(String path) throws IOException {
        Files.deleteIfExists(resolve(path));
    }

    @Override
    public void sync(String folder) throws IOException {
        try (FileChannel channel = FileChannel.open(resolve(folder), StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    @Override
    public long usableBytes() throws IOException {
        return Files.getFileStore(root).getUsableSpace();
    }

    private record DiskFile(String path, FileChannel channel) implements OpenFile, NewFile {
        @Override
        public long size() throws IOException {
            return channel.size();
        }

        @Override
        public void read(ByteBuffer into, long position) throws IOException {
            int start = into.position();
            while (into.hasRemaining()) {
                if (channel.read(into, position + into.position() - start) < 0) {
                    throw new EOFException(path + " ends after " + channel.size() + " bytes");
                }
            }
        }

        @Override
        public void write(ByteBuffer from, long position) throws IOException {
            int start = from.position();
            while (from.hasRemaining()) {
                channel.write(from, position + from.position() - start);
            }
        }

        @Override
        public void force() throws IOException {
            channel.force(true);
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
