package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.trust.Trust;
import dev.dormouse.sidecar.trust.TrustException;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The keys that lie on a volume, wrapped, each in a file named after it. There is one, unless two pods made the first one
 * at the same time: then both are good, since a manifest names the key of its chunks. A key's file is only ever replaced
 * by the same key in another wrapping. Guarded by its monitor.
 */
final class VolumeKeys {
    private static final Logger LOG = LoggerFactory.getLogger(VolumeKeys.class);
    private static final int MAX_BYTES = 4096;

    private final SnapshotFiles files;
    private final Trust trust;
    private final String instance;
    private final Map<String, VolumeKey> opened = new HashMap<>();

    VolumeKeys(SnapshotFiles files, Trust trust, String instance) {
        this.files = files;
        this.trust = trust;
        this.instance = instance;
    }

    /**
     * What new snapshots are encrypted with; makes it when there is none; absent when nothing is encrypted.
     *
     * @throws TrustFailedException when they could not be protected as they must be
     */
    synchronized @Nullable VolumeKey forWriting() throws IOException {
        try {
            trust.requireSigner();
            if (!trust.encrypts()) {
                return null;
            }
            List<String> ids = VolumePaths.keyIds(files.list(VolumePaths.KEYS));
            return ids.isEmpty() ? create() : open(ids.getFirst());
        } catch (TrustException e) {
            throw new TrustFailedException(e.fault(), e);
        }
    }

    /**
     * The key of a snapshot; absent when it is not encrypted.
     *
     * @throws TrustException when it is not at hand
     */
    synchronized @Nullable VolumeKey forReading(Manifest manifest) throws IOException, TrustException {
        if (!manifest.encrypted()) {
            return null;
        }
        if (!trust.encrypts()) {
            throw new TrustException(Fault.KeyMissing, "snapshot " + manifest.id()
                    + " is encrypted and this process has no wrapping keys: mount the Secret that holds them");
        }
        try {
            return open(manifest.dataKey());
        } catch (NoSuchFileException e) {
            throw new TrustException(Fault.KeyMissing, "snapshot " + manifest.id() + " is encrypted with key "
                    + manifest.dataKey() + ", which is not on the volume: delete the snapshot and save again", e);
        }
    }

    private VolumeKey open(String id) throws IOException, TrustException {
        VolumeKey known = opened.get(id);
        if (known != null) {
            return known;
        }
        VolumeKey key = trust.unwrap(text(id));
        if (!key.id().equals(id)) {
            throw new TrustException(Fault.WrongKey, VolumePaths.key(id) + " holds key " + key.id()
                    + ": restore the file from a backup, or delete the snapshots that name it");
        }
        opened.put(id, key);
        return key;
    }

    private VolumeKey create() throws IOException {
        VolumeKey key = trust.newKey();
        files.createFolder(VolumePaths.KEYS);
        files.sync("");
        write(key);
        opened.put(key.id(), key);
        LOG.info("Made volume key {}", key.id());
        return key;
    }

    /** After a rotation of the Secret: keys that an older one wraps are wrapped by the newest; no chunk changes. */
    synchronized void rewrap() throws IOException {
        for (String id : VolumePaths.keyIds(files.list(VolumePaths.KEYS))) {
            try {
                if (trust.outdated(text(id))) {
                    write(open(id));
                    LOG.info("Wrapped volume key {} anew", id);
                }
            } catch (TrustException e) {
                LOG.warn("Volume key {} stays as it is: {}", id, e.getMessage());
            }
        }
    }

    /** What a crash left; another one who is just writing a key fails then, and harms nothing. */
    void removeUnfinished() throws IOException {
        for (String name : files.list(VolumePaths.KEYS)) {
            if (name.endsWith(VolumePaths.unfinished(""))) {
                files.delete(VolumePaths.KEYS + "/" + name);
            }
        }
    }

    private String text(String id) throws IOException, TrustException {
        try (SnapshotFiles.OpenFile file = files.open(VolumePaths.key(id))) {
            if (file.size() > MAX_BYTES) {
                throw new TrustException(Fault.WrongKey,
                        VolumePaths.key(id) + " is too long for a wrapped key: restore "
                                + "it from a backup, or delete the snapshots that name it");
            }
        }
        return new String(files.read(VolumePaths.key(id), MAX_BYTES), StandardCharsets.UTF_8);
    }

    /** Durable before it returns: a snapshot whose key is lost is lost. */
    private void write(VolumeKey key) throws IOException {
        String path = VolumePaths.key(key.id());
        String fresh = VolumePaths.unfinished(path + "." + instance);
        files.delete(fresh);
        try (SnapshotFiles.NewFile file = files.create(fresh)) {
            file.write(ByteBuffer.wrap(trust.wrap(key).getBytes(StandardCharsets.UTF_8)), 0);
            file.force();
        }
        files.rename(fresh, path);
        files.sync(VolumePaths.KEYS);
    }
}
