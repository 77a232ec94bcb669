package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Fault;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What reading a whole snapshot brought to light.
 *
 * @param rawBytes that were read and compared
 * @param problems the first per chunk, at most {@link #MAX_PROBLEMS}; empty: every byte is what was saved
 */
public record VerifyReport(String id, int chunks, long rawBytes, List<Refusal> problems) {
    public static final int MAX_PROBLEMS = 100;
    private static final Set<String> DAMAGE = Arrays.stream(Fault.values())
            .filter(Fault::damage)
            .map(Fault::name)
            .collect(Collectors.toUnmodifiableSet());

    public VerifyReport {
        problems = List.copyOf(problems);
    }

    /** The first problem that lies in the snapshot itself, and not in what is at hand to read it with. */
    public Optional<Refusal> damage() {
        return problems.stream().filter(problem -> DAMAGE.contains(problem.reason())).findFirst();
    }

    public boolean intact() {
        return problems.isEmpty();
    }
}
