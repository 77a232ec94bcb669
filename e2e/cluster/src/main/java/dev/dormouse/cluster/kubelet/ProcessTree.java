package dev.dormouse.cluster.kubelet;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * All processes of one container. A child whose parent has died is nobody's descendant any more, so every process is
 * also known by a mark in the environment it inherits. Without {@code /proc} only descendants are found.
 */
final class ProcessTree {
    static final String MARK = "DORMOUSE_CONTAINER";
    private static final Path PROC = Path.of("/proc");

    /** The process, its descendants and everything that carries the mark. */
    static Set<ProcessHandle> of(ProcessHandle root, String mark) {
        Set<ProcessHandle> tree = marked(mark + '\0');
        if (root.isAlive()) {
            tree.add(root);
            root.descendants().forEach(tree::add);
        }
        return tree;
    }

    /**
     * Sends SIGKILL until nothing is left that could fork again.
     *
     * @param markPrefix start of the mark
     */
    static void kill(Set<ProcessHandle> tree, String markPrefix) {
        Set<ProcessHandle> all = new HashSet<>(tree);
        Set<ProcessHandle> killed = new HashSet<>();
        while (killed.addAll(all)) {
            all.forEach(ProcessHandle::destroyForcibly);
            all = marked(markPrefix);
        }
    }

    /** Processes whose mark starts with the given text, except this one. */
    static Set<ProcessHandle> marked(String markPrefix) {
        Set<ProcessHandle> found = new HashSet<>();
        byte[] wanted = ('\0' + MARK + '=' + markPrefix).getBytes(StandardCharsets.UTF_8);
        try (DirectoryStream<Path> all = Files.newDirectoryStream(PROC, "[0-9]*")) {
            for (Path process : all) {
                if (contains(environment(process), wanted)) {
                    Optional.ofNullable(process.getFileName())
                            .map(Path::toString)
                            .map(Long::parseLong)
                            .flatMap(ProcessHandle::of)
                            .ifPresent(found::add);
                }
            }
        } catch (IOException _) {
            // No /proc on this system: descendants have to do.
            return found;
        }
        found.remove(ProcessHandle.current());
        return found;
    }

    /** With a leading NUL, so that each variable is preceded by one; empty when the process is gone or not ours. */
    private static byte[] environment(Path process) {
        try {
            byte[] variables = Files.readAllBytes(process.resolve("environ"));
            byte[] environment = new byte[variables.length + 1];
            System.arraycopy(variables, 0, environment, 1, variables.length);
            return environment;
        } catch (IOException _) {
            return new byte[0];
        }
    }

    private static boolean contains(byte[] text, byte[] wanted) {
        for (int at = 0; at <= text.length - wanted.length; at++) {
            int same = 0;
            while (same < wanted.length && text[at + same] == wanted[same]) {
                same++;
            }
            if (same == wanted.length) {
                return true;
            }
        }
        return false;
    }

    private ProcessTree() {}
}
