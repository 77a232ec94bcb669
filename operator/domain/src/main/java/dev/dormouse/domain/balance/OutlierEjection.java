package dev.dormouse.domain.balance;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Leaves replicas out that fail again and again: an engine may answer its probe and nothing else. After {@code failures}
 * in a row a replica gets nothing for a while that doubles with each time; then it gets another chance, and one more
 * failure is enough. At most half of a model's replicas are left out, so that a bad request cannot put a model to rest.
 */
public final class OutlierEjection {
    private static final Duration LONGEST = Duration.ofMinutes(5);
    private static final int DOUBLINGS = 8;

    private static final class Record {
        private int failures;
        private int ejections;
        private Instant until = Instant.MIN;
    }

    private final int failures;
    private final Duration first;
    private final Map<String, Record> records = new HashMap<>();

    public OutlierEjection(int failures, Duration first) {
        if (failures < 1 || !first.isPositive()) {
            throw new IllegalArgumentException("failures and time must be positive: " + failures + ", " + first);
        }
        this.failures = failures;
        this.first = first;
    }

    /** It answered well. */
    public void succeeded(String pod) {
        records.remove(pod);
    }

    /** It failed; answers whether it is left out from here on. */
    public boolean failed(String pod, Instant now) {
        Record record = records.computeIfAbsent(pod, first -> new Record());
        record.failures++;
        if (record.failures < failures || now.isBefore(record.until)) {
            return false;
        }
        Duration pause = first.multipliedBy(1L << Math.min(record.ejections, DOUBLINGS));
        record.until = now.plus(pause.compareTo(LONGEST) < 0 ? pause : LONGEST);
        record.ejections++;
        // The chance after it is one request.
        record.failures = failures - 1;
        return true;
    }

    public void forget(String pod) {
        records.remove(pod);
    }

    /** Those of the pods that may be given requests, in their order. */
    public List<String> admitted(List<String> pods, Instant now) {
        List<String> out = new ArrayList<>(pods.stream().filter(pod -> now.isBefore(until(pod))).toList());
        // The newest outliers stay out.
        out.sort(Comparator.comparing(this::until).reversed());
        List<String> stayOut = out.subList(0, Math.min(out.size(), pods.size() / 2));
        return pods.stream().filter(pod -> !stayOut.contains(pod)).toList();
    }

    /** Whether it is left out, unless too many others are. */
    public boolean isEjected(String pod, Instant now) {
        return now.isBefore(until(pod));
    }

    private Instant until(String pod) {
        Record record = records.get(pod);
        return record == null ? Instant.MIN : record.until;
    }
}
