package dev.dormouse.sidecar.store;

import java.util.List;

/**
 * What reading a whole snapshot brought to light.
 *
 * @param rawBytes that were read and compared
 * @param problems the first per chunk, at most {@link #MAX_PROBLEMS}; empty: every byte is what was saved
 */
public record VerifyReport(String id, int chunks, long rawBytes, List<Refusal> problems) {
    public static final int MAX_PROBLEMS = 100;

    public VerifyReport {
        problems = List.copyOf(problems);
    }

    public boolean intact() {
        return problems.isEmpty();
    }
}
