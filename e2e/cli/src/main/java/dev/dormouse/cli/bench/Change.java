package dev.dormouse.cli.bench;

import org.jspecify.annotations.Nullable;

/**
 * One key of two results.
 *
 * @param unit of the values
 * @param baseline the median; absent where the baseline has no such key
 * @param candidate the same of the candidate
 * @param p two-sided p of the Mann–Whitney test, corrected for the number of keys (Holm); absent where it was not tested
 */
public record Change(String key, String unit, @Nullable Double baseline, @Nullable Double candidate,
        @Nullable Double p, Verdict verdict) {

    public enum Verdict {
        Better, Worse,
        /** Equal, within the noise threshold, or not told apart by the test. */
        Same,
        /** Too few samples for any test to say more. */
        Unclear,
        /** The candidate has no such key. */
        OnlyBaseline,
        /** The baseline has no such key. */
        OnlyCandidate
    }

    /** {@code baseline − candidate} (R18): positive means the candidate is smaller. Absent unless both have the key. */
    public @Nullable Double delta() {
        return baseline == null || candidate == null ? null : baseline - candidate;
    }

    /** {@link #delta} in percent of the baseline; absent also where the baseline is 0. */
    public @Nullable Double percent() {
        Double delta = delta();
        return delta == null || baseline == null || baseline == 0 ? null : delta / baseline * 100;
    }
}
