package dev.dormouse.sidecar.store;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A file system in memory that knows what is durable and what is not. It counts the operations that change something and
 * can stop at any of them, as a power cut does; {@link #afterPowerCut} then gives one of the legal states that the disk
 * may be in: of the writes and names that were not forced any subset may have survived, a write also in part.
 */
final class LossyFiles implements SnapshotFiles {
    /** What the process sees when the power goes: nothing works any more. */
    static final class PowerCut extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private sealed interface Node {}

    private static final class Content implements Node {
        private byte[] bytes = new byte[0];
        private byte[] durable = new byte[0];
        private final List<Write> pending = new ArrayList<>();
    }

    private record Write(int position, byte[] bytes) {
        byte[] applyTo(byte[] content, int length) {
            byte[] result = content.length < position + length
                    ? Arrays.copyOf(content, position + length)
                    : content.clone();
            System.arraycopy(bytes, 0, result, position, length);
            return result;
        }
    }

    private static final class Folder implements Node {
        private final Map<String, Node> names = new TreeMap<>();
        private Map<String, Node> durable = Map.of();
        private final List<Change> pending = new ArrayList<>();

        Change apply(@Nullable String removed, @Nullable String added, @Nullable Node node, @Nullable Change after) {
            var change = new Change(this, removed, added, node, after);
            change.applyTo(names);
            pending.add(change);
            return change;
        }

        void makeDurable() {
            pending.forEach(change -> {
                if (change.after != null && !change.after.durable) {
                    change.after.persist();
                }
                change.durable = true;
            });
            durable = Map.copyOf(names);
            pending.clear();
        }
    }

    /** A rename within a folder removes and adds, and is atomic. One between folders is two of these, see {@link #after}. */
    private static final class Change {
        private final @Nullable String removed;
        private final @Nullable String added;
        private final @Nullable Node node;
        /** The name in the other folder: this one is not lost before that one is there. */
        private final @Nullable Change after;
        private final Folder folder;
        private boolean durable;

        Change(Folder folder, @Nullable String removed, @Nullable String added, @Nullable Node node,
                @Nullable Change after) {
            this.folder = folder;
            this.removed = removed;
            this.added = added;
            this.node = node;
            this.after = after;
        }

        void applyTo(Map<String, Node> names) {
            if (removed != null) {
                names.remove(removed);
            }
            if (added != null && node != null) {
                names.put(added, node);
            }
        }

        void persist() {
            if (after != null && !after.durable) {
                after.persist();
            }
            var names = new TreeMap<>(folder.durable);
            applyTo(names);
            folder.durable = Map.copyOf(names);
            folder.pending.remove(this);
            durable = true;
        }

        boolean survives(Random random, double survival, Map<Change, Boolean> decided) {
            Boolean known = decided.get(this);
            if (known == null) {
                known = durable || (after == null || after.survives(random, survival, decided))
                        && random.nextDouble() < survival;
                decided.put(this, known);
            }
            return known;
        }
    }

    /** Decides about one operation; throws to make it fail. */
    interface Fault {
        void before(int step, String operation) throws IOException;
    }

    private Folder root = new Folder();
    private int steps;
    private Fault fault = (step, operation) -> {
    };
    private int forgottenSync = -1;
    private int syncs;
    private long usableBytes = Long.MAX_VALUE;

    // ---- what tests arrange ----

    void failWith(Fault fault) {
        this.fault = fault;
        this.steps = 0;
    }

    void cutPowerAt(int step) {
        failWith((now, operation) -> {
            if (now >= step) {
                throw new PowerCut();
            }
        });
    }

    /** The {@code index}th force or sync from now on answers and does nothing. */
    void forgetSync(int index) {
        forgottenSync = index;
        syncs = 0;
    }

    int syncs() {
        return syncs;
    }

    int steps() {
        return steps;
    }

    void usableBytes(long bytes) {
        this.usableBytes = bytes;
    }

    /** Damages a file behind everybody's back. */
    synchronized void replace(String path, byte[] bytes) throws NoSuchFileException {
        content(path).bytes = bytes;
    }

    /** One state in which the disk may be found. Each pending change survives with the given probability. */
    LossyFiles afterPowerCut(Random random, double survival) {
        var found = new LossyFiles();
        found.root = (Folder) survivor(root, random, survival, new HashMap<>(), new IdentityHashMap<>());
        return found;
    }

    private static Node survivor(Node node, Random random, double survival, Map<Node, Node> done,
            Map<Change, Boolean> decided) {
        Node known = done.get(node);
        if (known != null) {
            return known;
        }
        return switch (node) {
            case Content content -> {
                var copy = new Content();
                done.put(node, copy);
                byte[] bytes = content.durable;
                for (Write write : content.pending) {
                    if (random.nextDouble() < survival) {
                        boolean whole = random.nextDouble() < survival;
                        bytes = write.applyTo(bytes,
                                whole ? write.bytes().length : random.nextInt(write.bytes().length + 1));
                    }
                }
                copy.bytes = bytes;
                copy.durable = bytes;
                yield copy;
            }
            case Folder folder -> {
                var copy = new Folder();
                done.put(node, copy);
                var names = new TreeMap<>(folder.durable);
                for (Change change : folder.pending) {
                    if (change.survives(random, survival, decided)) {
                        change.applyTo(names);
                    }
                }
                names.forEach((name, child) -> copy.names.put(name, survivor(child, random, survival, done, decided)));
                copy.durable = Map.copyOf(copy.names);
                yield copy;
            }
        };
    }

    /** Everything there is, folders with a slash at the end. */
    List<String> tree() {
        var paths = new ArrayList<String>();
        tree(root, "", paths);
        return paths;
    }

    private static void tree(Folder folder, String prefix, List<String> paths) {
        folder.names.forEach((name, node) -> {
            paths.add(prefix + name + (node instanceof Folder ? "/" : ""));
            if (node instanceof Folder child) {
                tree(child, prefix + name + "/", paths);
            }
        });
    }

    // ---- the port ----

    private synchronized void step(String operation) throws IOException {
        fault.before(steps++, operation);
    }

    private boolean forgets() {
        return syncs++ == forgottenSync;
    }

    private @Nullable Node find(String path) {
        Node node = root;
        for (String segment : path.isEmpty() ? new String[0] : path.split("/")) {
            node = node instanceof Folder folder ? folder.names.get(segment) : null;
            if (node == null) {
                return null;
            }
        }
        return node;
    }

    private Folder folder(String path) throws NoSuchFileException {
        if (find(path) instanceof Folder folder) {
            return folder;
        }
        throw new NoSuchFileException(path);
    }

    private Folder parent(String path) throws NoSuchFileException {
        return folder(path.contains("/") ? path.substring(0, path.lastIndexOf('/')) : "");
    }

    private static String name(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    private Content content(String path) throws NoSuchFileException {
        if (find(path) instanceof Content content) {
            return content;
        }
        throw new NoSuchFileException(path);
    }

    @Override
    public synchronized void createFolder(String path) throws IOException {
        step("createFolder " + path);
        if (find(path) == null) {
            parent(path).apply(null, name(path), new Folder(), null);
        }
    }

    @Override
    public synchronized List<String> list(String folder) {
        return find(folder) instanceof Folder found ? List.copyOf(found.names.keySet()) : List.of();
    }

    @Override
    public synchronized boolean exists(String path) {
        return find(path) != null;
    }

    @Override
    public synchronized byte[] read(String path, int maxBytes) throws IOException {
        byte[] bytes = content(path).bytes;
        if (bytes.length > maxBytes) {
            throw new IOException(path + " is too long");
        }
        return bytes.clone();
    }

    @Override
    public synchronized OpenFile open(String path) throws IOException {
        return new LossyFile(path, content(path));
    }

    @Override
    public synchronized NewFile create(String path) throws IOException {
        step("create " + path);
        if (find(path) != null) {
            throw new FileAlreadyExistsException(path);
        }
        var content = new Content();
        parent(path).apply(null, name(path), content, null);
        return new LossyFile(path, content);
    }

    @Override
    public synchronized void rename(String from, String to) throws IOException {
        step("rename " + from);
        Node node = find(from);
        if (node == null) {
            throw new NoSuchFileException(from);
        }
        if (parent(from) == parent(to)) {
            parent(from).apply(name(from), name(to), node, null);
        } else {
            Change added = parent(to).apply(null, name(to), node, null);
            parent(from).apply(name(from), null, null, added);
        }
    }

    @Override
    public synchronized void delete(String path) throws IOException {
        step("delete " + path);
        Node node = find(path);
        if (node instanceof Folder folder && !folder.names.isEmpty()) {
            throw new DirectoryNotEmptyException(path);
        }
        if (node != null) {
            parent(path).apply(name(path), null, null, null);
        }
    }

    @Override
    public synchronized void sync(String path) throws IOException {
        step("sync " + path);
        Folder folder = folder(path);
        if (!forgets()) {
            folder.makeDurable();
        }
    }

    @Override
    public long usableBytes() {
        return usableBytes;
    }

    private final class LossyFile implements OpenFile, NewFile {
        private final String path;
        private final Content content;

        LossyFile(String path, Content content) {
            this.path = path;
            this.content = content;
        }

        @Override
        public long size() {
            return content.bytes.length;
        }

        @Override
        public void read(ByteBuffer into, long position) throws IOException {
            if (position + into.remaining() > content.bytes.length) {
                throw new EOFException(path);
            }
            into.put(content.bytes, (int) position, into.remaining());
        }

        @Override
        public void write(ByteBuffer from, long position) throws IOException {
            synchronized (LossyFiles.this) {
                step("write " + path);
                var bytes = new byte[from.remaining()];
                from.get(bytes);
                var write = new Write((int) position, bytes);
                content.bytes = write.applyTo(content.bytes, bytes.length);
                content.pending.add(write);
            }
        }

        @Override
        public void force() throws IOException {
            synchronized (LossyFiles.this) {
                step("force " + path);
                if (!forgets()) {
                    content.durable = content.bytes;
                    content.pending.clear();
                }
            }
        }

        @Override
        public void close() {
            // Nothing is held.
        }
    }
}
