package dev.dormouse.gpu;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What was measured, as rows that a person and a program can read; and what could not be, with the reason. */
final class Report {
    /**
     * @param section {@code limits}, {@code owned}, …
     * @param name unique within its section
     * @param unit {@code GB/s} (1e9 bytes), {@code ms}, {@code s/GiB}, {@code CUresult}, {@code bool}, …
     * @param ratio to the limit that bounds it; absent when there is none
     * @param expected what the stand-in does; absent where there is nothing to compare
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Row(String section, String name, double value, String unit, @Nullable Double ratio,
            @Nullable Double expected, @Nullable String note) {}

    record Missing(String section, String reason) {}

    private final Map<String, String> machine = new LinkedHashMap<>();
    private final List<Row> rows = new ArrayList<>();
    private final List<Missing> missing = new ArrayList<>();
    private final PrintStream table;

    Report(PrintStream table) {
        this.table = table;
    }

    void machine(String key, String value) {
        machine.put(key, value);
        table.printf(Locale.ROOT, "%-22s %s%n", key, value);
    }

    void row(String section, String name, double value, String unit) {
        add(new Row(section, name, value, unit, null, null, null));
    }

    void ratio(String section, String name, double value, String unit, double limit) {
        add(new Row(section, name, value, unit, limit > 0 ? value / limit : null, null, null));
    }

    /** A figure that should be at most so much. */
    void goal(String section, String name, double value, String unit, double most) {
        add(new Row(section, name, value, unit, null, null,
                (value <= most ? "within" : "above") + " the goal of " + most));
    }

    void expected(String section, String name, double value, String unit, double expected, @Nullable String note) {
        add(new Row(section, name, value, unit, null, expected, note));
    }

    private void add(Row row) {
        rows.add(row);
        table.printf(Locale.ROOT, "%-10s %-46s %12.3f %-9s%s%s%s%n", row.section, row.name, row.value, row.unit,
                row.ratio == null ? "" : String.format(Locale.ROOT, " %.2f of the limit", row.ratio),
                row.expected == null
                        ? ""
                        : row.expected == row.value
                                ? " as expected"
                                : String.format(Locale.ROOT, " DIFFERS from %.3f", row.expected),
                row.note == null ? "" : " (" + row.note + ")");
    }

    void missing(String section, String reason) {
        missing.add(new Missing(section, reason));
        table.printf("%-10s missing: %s%n", section, reason);
    }

    /** The value of a row measured before; 0 when there is none. */
    double value(String section, String name) {
        return rows.stream()
                .filter(row -> row.section.equals(section) && row.name.equals(name))
                .mapToDouble(Row::value)
                .findFirst()
                .orElse(0);
    }

    List<Row> rows() {
        return List.copyOf(rows);
    }

    void write(Path file) throws IOException {
        new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT)
                .writeValue(file.toFile(), Map.of("machine", machine, "rows", rows, "missing", missing));
    }
}
