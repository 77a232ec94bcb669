package dev.dormouse.cli.bench.run;

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the JVMs of this machine loaded (R4, R5): for each process the classes in all and our own, and whether what should
 * be lazy stayed unloaded.
 */
public final class JvmFacts {
    private static final Map<String, String> LAZY = Map.of("jcuda", "jcuda.", "bouncycastle", "org.bouncycastle.",
            "zstd", "com.github.luben.zstd.");

    private final Map<String, Long> counts = new TreeMap<>();
    private final Map<String, Boolean> lazy = new TreeMap<>();

    public void look(String process, long pid) throws IOException, InterruptedException {
        LoadedClasses classes = LoadedClasses.of(pid);
        counts.put(process + ".classes", (long) classes.names().size());
        counts.put(process + ".classes.own", classes.own());
        counts.put(process + ".modules", classes.modules());
        counts.put(process + ".packages.own", classes.ownPackages());
        LAZY.forEach((library, prefix) -> lazy.put(process + "." + library, !classes.any(prefix)));
    }

    /** Anything else that a start has a number of. */
    public void count(String key, long value) {
        counts.put(key, value);
    }

    public Map<String, Long> counts() {
        return Map.copyOf(counts);
    }

    public Map<String, Boolean> lazy() {
        return Map.copyOf(lazy);
    }
}
