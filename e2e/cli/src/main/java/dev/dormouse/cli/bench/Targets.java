package dev.dormouse.cli.bench;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import dev.dormouse.cli.figures.Figure.Better;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What medians are held against, in one file (R43).
 *
 * @param targets key of a measurement → its target
 * @param lazy what must not be loaded, by its key among a result's lazy facts (R27); absent for nothing
 */
public record Targets(Map<String, Target> targets, List<String> lazy) {
    private static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory())
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);

    /**
     * @param target what we aim at; missing it is said
     * @param limit what fails the check; absent when nothing does
     */
    public record Target(double target, @Nullable Double limit) {}

    /** How one key stands. */
    public enum Standing {
        Met, Missed,
        /** Beyond the hard limit, or not measured at all. */
        Failed
    }

    /** @param value the median; absent when the result has no such key */
    public record Line(String key, Target target, @Nullable Double value, Standing standing) {

        @Override
        public String toString() {
            return String.format(Locale.ROOT, "%-34s %12s   target %s, limit %s   %s", key,
                    value == null ? "not measured" : ComparisonReport.number(value),
                    ComparisonReport.number(target.target()), ComparisonReport.number(target.limit()),
                    standing.name().toLowerCase(Locale.ROOT));
        }
    }

    public Targets(Map<String, Target> targets, @Nullable List<String> lazy) {
        this.targets = new TreeMap<>(targets);
        this.lazy = lazy == null ? List.of() : List.copyOf(lazy);
    }

    /** Of those that must be lazy, the ones that a result says were loaded; what it does not know is not held against it. */
    public List<String> eager(BenchResult result) {
        return lazy.stream().filter(key -> Boolean.FALSE.equals(result.lazy().get(key))).toList();
    }

    /** @throws UnusableInputException when the file cannot be read as targets */
    public static Targets read(Path file) throws IOException {
        try {
            Targets read = YAML.readValue(file.toFile(), Targets.class);
            if (read == null || read.targets.isEmpty()) {
                throw new UnusableInputException(file + " names no targets");
            }
            return read;
        } catch (JacksonException e) {
            throw new UnusableInputException(file + " is not a file of targets: " + e.getOriginalMessage());
        } catch (java.io.FileNotFoundException e) {
            throw new UnusableInputException(file + ": no such file");
        }
    }

    /** Equality meets a target. */
    public List<Line> check(BenchResult result) {
        List<Line> lines = new ArrayList<>();
        targets.forEach((key, target) -> {
            Measurement measured = result.measurements().get(key);
            lines.add(measured == null
                    ? new Line(key, target, null, Standing.Failed)
                    : new Line(key, target, measured.summary().median(), standing(measured, target)));
        });
        return List.copyOf(lines);
    }

    private static Standing standing(Measurement measured, Target target) {
        double median = measured.summary().median();
        if (target.limit() != null && !reaches(measured.better(), median, target.limit())) {
            return Standing.Failed;
        }
        return reaches(measured.better(), median, target.target()) ? Standing.Met : Standing.Missed;
    }

    private static boolean reaches(Better better, double value, double bound) {
        return better == Better.Lower ? value <= bound : value >= bound;
    }
}
