package dev.dormouse.cli.figures;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * One measured figure.
 *
 * @param name dotted, stable: {@code demo.wall}, {@code restore.rate}
 * @param value in {@code unit}
 * @param unit {@code s}, {@code ms}, {@code GB/s}, {@code ratio} …
 * @param limit what the same run measured as the limit or the peer; absent when there is none
 * @param goal the goal this figure is held against, in {@code unit}; absent when none is set
 * @param better which direction is good
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Figure(String name, double value, String unit, @Nullable Double limit, @Nullable Double goal,
        Better better) {

    public enum Better {
        Lower, Higher
    }

    public static Figure lower(String name, double value, String unit, @Nullable Double goal) {
        return new Figure(name, value, unit, null, goal, Better.Lower);
    }

    public static Figure higher(String name, double value, String unit, @Nullable Double limit, @Nullable Double goal) {
        return new Figure(name, value, unit, limit, goal, Better.Higher);
    }

    /** Whether the goal is met; true when there is none. Equality meets it. */
    public boolean met() {
        return goal == null || (better == Better.Lower ? value <= goal : value >= goal);
    }
}
