package dev.dormouse.sidecar.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * One node's view of a network volume: what it has listed or looked up it believes until it settles, unless it changed
 * that folder itself; a handle of a file that another node removed or replaced is stale.
 */
final class NfsClient implements SnapshotFiles {
    /** What all nodes share. */
    static final class Server {
        private final LossyFiles files = new LossyFiles();
        /** Who removed or replaced a path last, and how often that has happened. */
        private final Map<String, Integer> removals = new HashMap<>();
        private final Map<String, NfsClient> removers = new HashMap<>();

        private synchronized void removed(String path, NfsClient by) {
            removals.merge(path, 1, Integer::sum);
            removers.put(path, by);
        }

        private synchronized int removals(String path) {
            return removals.getOrDefault(path, 0);
        }

        /** The kernel hides the removal of a file that its own node has open (silly rename). */
        private synchronized boolean stale(String path, int since, NfsClient reader) {
            return removals(path) != since && removers.get(path) != reader;
        }
    }

    private final Server server;
    private final Map<String, List<String>> listings = new HashMap<>();
    private final Map<String, Boolean> lookups = new HashMap<>();

    NfsClient(Server server) {
        this.server = server;
    }

    /** From now on this node sees what others did. */
    synchronized void settle() {
        listings.clear();
        lookups.clear();
    }

    private synchronized void changed(String path) {
        listings.remove(path.contains("/") ? path.substring(0, path.lastIndexOf('/')) : "");
        lookups.remove(path);
    }

    @Override
    public void createFolder(String path) throws IOException {
        server.files.createFolder(path);
        changed(path);
    }

    @Override
    public synchronized List<String> list(String folder) {
        return listings.computeIfAbsent(folder, server.files::list);
    }

    @Override
    public synchronized boolean exists(String path) {
        return lookups.computeIfAbsent(path, server.files::exists);
    }

    @Override
    public byte[] read(String path, int maxBytes) throws IOException {
        return server.files.read(path, maxBytes);
    }

    @Override
    public OpenFile open(String path) throws IOException {
        int removals = server.removals(path);
        OpenFile file = server.files.open(path);
        return new OpenFile() {
            @Override
            public long size() throws IOException {
                return file.size();
            }

            @Override
            public void read(ByteBuffer into, long position) throws IOException {
                if (server.stale(path, removals, NfsClient.this)) {
                    throw new IOException("Stale file handle");
                }
                file.read(into, position);
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    @Override
    public NewFile create(String path) throws IOException {
        NewFile file = server.files.create(path);
        changed(path);
        return file;
    }

    @Override
    public void rename(String from, String to) throws IOException {
        if (server.files.exists(to)) {
            server.removed(to, this);
        }
        server.files.rename(from, to);
        changed(from);
        changed(to);
    }

    @Override
    public void delete(String path) throws IOException {
        if (server.files.exists(path)) {
            server.removed(path, this);
        }
        server.files.delete(path);
        changed(path);
    }

    @Override
    public void sync(String folder) throws IOException {
        server.files.sync(folder);
    }

    @Override
    public long usableBytes() {
        return server.files.usableBytes();
    }
}
