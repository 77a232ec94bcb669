package dev.dormouse.sidecar.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;

/**
 * A file system in memory that keeps apart what was written and what was synced, and stops at a chosen step as a power
 * failure would. What a disk may then show is any mix: each unsynced file with its old, new or half-new bytes, each
 * unsynced folder entry there or not.
 */
final class CrashingFiles implements SnapshotFiles {

    /** Not an exception that code under test might catch and mend. */
    static final class Crash extends Error {
        private static final long serialVersionUID = 1;
    }

    private static final class Inode {
        private byte[] written = new byte[0];
        private byte[] synced = new byte[0];
    }

    private final Path root;
    private final Map<Path, Inode> entries = new TreeMap<>();
    private final Map<Path, Inode> durable = new TreeMap<>();
    private final Set<Path> folders = new HashSet<>();
    private final Set<Path> durableFolders = new HashSet<>();
    private int steps;
    private int crashAt = Integer.MAX_VALUE;

    CrashingFiles(Path root) {
        this.root = root;
        folders.add(root);
        durableFolders.add(root);
    }

    /** Crashes before the {@code n}th step from here. */
    void crashAt(int n) {
        steps = 0;
        crashAt = n;
    }

    int steps() {
        return steps;
    }

    private void step() {
        if (++steps >= crashAt) {
            throw new Crash();
        }
    }

    @Override
    public Output create(Path file) throws IOException {
        step();
        if (entries.containsKey(file)) {
            throw new FileAlreadyExistsException(file.toString());
        }
        Inode inode = new Inode();
        entries.put(file, inode);
        return new Output() {
            @Override
            public void write(ByteBuffer bytes, long position) {
                step();
                int end = (int) position + bytes.remaining();
                inode.written = Arrays.copyOf(inode.written, Math.max(inode.written.length, end));
                bytes.get(inode.written, (int) position, bytes.remaining());
            }

            @Override
            public void sync() {
                step();
                inode.synced = inode.written.clone();
            }

            @Override
            public void close() {}
        };
    }

    @Override
    public FileChannel open(Path file) {
        throw new UnsupportedOperationException("restores read what a crash left, from a real folder");
    }

    @Override
    public byte[] read(Path file) throws IOException {
        Inode inode = entries.get(file);
        if (inode == null) {
            throw new NoSuchFileException(file.toString());
        }
        return inode.written.clone();
    }

    @Override
    public boolean exists(Path file) {
        return entries.containsKey(file) || folders.contains(file);
    }

    @Override
    public List<Path> list(Path folder) {
        Set<Path> children = new java.util.TreeSet<>();
        entries.keySet().stream().filter(path -> folder.equals(path.getParent())).forEach(children::add);
        folders.stream().filter(path -> folder.equals(path.getParent())).forEach(children::add);
        return List.copyOf(children);
    }

    @Override
    public void createFolders(Path folder) {
        step();
        for (Path each = folder; each != null && each.startsWith(root); each = each.getParent()) {
            folders.add(each);
        }
    }

    @Override
    public void rename(Path from, Path to) {
        step();
        entries.put(to, Objects.requireNonNull(entries.remove(from)));
    }

    @Override
    public void syncFolder(Path folder) {
        step();
        durable.keySet().removeIf(path -> folder.equals(path.getParent()));
        entries.forEach((path, inode) -> {
            if (folder.equals(path.getParent())) {
                durable.put(path, inode);
            }
        });
        folders.stream().filter(path -> folder.equals(path.getParent())).forEach(durableFolders::add);
    }

    @Override
    public void delete(Path file) {
        step();
        entries.remove(file);
        folders.remove(file);
    }

    @Override
    public long usableBytes(Path folder) {
        return Long.MAX_VALUE;
    }

    /** One of the states a disk may be in now, written to {@code target}. Seeds 0 and 1 are the two extremes. */
    void materialize(Path target, long seed) throws IOException {
        Random random = new Random(seed);
        Map<Path, Inode> shown = new HashMap<>(durable);
        Set<Path> touched = new HashSet<>(durable.keySet());
        touched.addAll(entries.keySet());
        for (Path path : touched) {
            if (!Objects.equals(durable.get(path), entries.get(path)) && choose(random, seed)) {
                if (entries.containsKey(path)) {
                    shown.put(path, Objects.requireNonNull(entries.get(path)));
                } else {
                    shown.remove(path);
                }
            }
        }
        Set<Path> shownFolders = new HashSet<>(durableFolders);
        folders.stream().filter(folder -> choose(random, seed)).forEach(shownFolders::add);
        for (Map.Entry<Path, Inode> file : shown.entrySet()) {
            if (reachable(file.getKey().getParent(), shownFolders)) {
                Path real = target.resolve(root.relativize(file.getKey()).toString());
                Files.createDirectories(real.getParent());
                Files.write(real, bytes(file.getValue(), random, seed));
            }
        }
    }

    private boolean reachable(@org.jspecify.annotations.Nullable Path folder, Set<Path> shownFolders) {
        return root.equals(folder)
                || folder != null && (shownFolders.contains(folder) && reachable(folder.getParent(), shownFolders));
    }

    private static boolean choose(Random random, long seed) {
        return seed == 1 || (seed > 1 && random.nextBoolean());
    }

    /** Synced, written, or a file of the new length whose blocks came only in part. */
    private static byte[] bytes(Inode inode, Random random, long seed) {
        if (Arrays.equals(inode.written, inode.synced) || seed == 0) {
            return inode.synced;
        }
        if (seed == 1 || random.nextInt(3) == 0) {
            return inode.written;
        }
        byte[] half = inode.written.clone();
        for (int block = 0; block < half.length; block += 512) {
            if (random.nextBoolean()) {
                int end = Math.min(half.length, block + 512);
                for (int i = block; i < end; i++) {
                    half[i] = i < inode.synced.length ? inode.synced[i] : 0;
                }
            }
        }
        return random.nextBoolean() ? half : Arrays.copyOf(half, random.nextInt(half.length + 1));
    }
}
