package dev.dormouse.cluster.kubelet;

import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * A container's mount paths and the folders behind them. Processes share the machine's file system, so a mount exists
 * only as a replacement in what the container is told: command, args and environment. Paths that a program has built in
 * or reads from a file are not seen.
 */
record MountPaths(List<Mount> mounts) {
    record Mount(String path, Path folder) {}

    static MountPaths of(Map<String, Path> folders) {
        return new MountPaths(folders.entrySet()
                .stream()
                .map(e -> new Mount(e.getKey(), e.getValue()))
                .sorted(Comparator.comparing((Mount m) -> m.path().length()).reversed())
                .toList());
    }

    /** The text with every path at or under a mount path replaced; the longest mount path wins. */
    String replace(String text) {
        StringBuilder replaced = new StringBuilder();
        int from = 0;
        for (int at = text.indexOf('/'); at >= 0; at = text.indexOf('/', Math.max(at + 1, from))) {
            Mount mount = startsPath(text, at) ? mountAt(text, at) : null;
            if (mount != null) {
                replaced.append(text, from, at).append(mount.folder());
                from = at + mount.path().length();
            }
        }
        return replaced.append(text, from, text.length()).toString();
    }

    private @org.jspecify.annotations.Nullable Mount mountAt(String text, int at) {
        for (Mount mount : mounts) {
            int end = at + mount.path().length();
            if (text.startsWith(mount.path(), at) && (end == text.length() || !isNamePart(text.charAt(end)))) {
                return mount;
            }
        }
        return null;
    }

    /** A path starts where no name and no other path goes on: at the start, after '=', ':', a blank, or "scheme://". */
    private static boolean startsPath(String text, int at) {
        return at == 0 || text.startsWith("://", Math.max(0, at - 3)) && at >= 3
                || !isNamePart(text.charAt(at - 1)) && text.charAt(at - 1) != '/';
    }

    private static boolean isNamePart(char c) {
        return Character.isLetterOrDigit(c) || c == '.' || c == '_' || c == '-';
    }
}
