package dev.dormouse.sidecar.pipeline;

/**
 * A file of the snapshot's file set, in memory.
 *
 * @param name a relative path
 * @param fd sealed memory file of exactly {@code length} bytes; its content is there once {@link RestoreTask#await} of
 *        the name returned. It belongs to the {@link RestoreTask}
 */
public record RestoredFile(String name, long length, int fd) {}
