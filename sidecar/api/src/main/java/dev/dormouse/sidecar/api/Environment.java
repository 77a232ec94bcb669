package dev.dormouse.sidecar.api;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The environment variables that configure a process, read once at its start. A blank one is not set. A value of no use is
 * refused by an {@link IllegalArgumentException} that names the variable, its value and what it must be.
 */
public record Environment(Map<String, String> variables) {

    public Optional<String> value(String key) {
        String value = variables.get(key);
        return value == null || value.isBlank() ? Optional.empty() : Optional.of(value.strip());
    }

    public String text(String key, String otherwise) {
        return value(key).orElse(otherwise);
    }

    public String required(String key) {
        String value = value(key).orElse(null);
        if (value == null) {
            throw new IllegalArgumentException(key + " is not set; in a pod the operator sets it");
        }
        return value;
    }

    public Optional<Path> path(String key) {
        return value(key).map(Path::of);
    }

    /** Separated by commas. */
    public Set<String> names(String key) {
        return value(key).stream()
                .flatMap(list -> Arrays.stream(list.split(",")))
                .map(String::strip)
                .filter(Predicate.not(String::isEmpty))
                .collect(Collectors.toUnmodifiableSet());
    }

    public int number(String key, int otherwise, int least, int most) {
        String text = value(key).orElse(null);
        if (text == null) {
            return otherwise;
        }
        try {
            int number = Integer.parseInt(text);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            throw wrong(key, "a whole number from " + least + " to " + most, e);
        }
        throw wrong(key, "a whole number from " + least + " to " + most);
    }

    public boolean flag(String key, boolean otherwise) {
        return switch (text(key, Boolean.toString(otherwise))) {
            case "true" -> true;
            case "false" -> false;
            default -> throw wrong(key, "true or false");
        };
    }

    /** Of a server, with or without a path. */
    public Optional<String> address(String key) {
        Optional<String> value = value(key);
        if (value.isPresent() && !value.get().matches("https?://[^/\\s]+(/\\S*)?")) {
            throw wrong(key, "an address like http://collector:4318");
        }
        return value;
    }

    /** For a value that its reader cannot use. */
    public IllegalArgumentException wrong(String key, String expected) {
        return wrong(key, expected, null);
    }

    public IllegalArgumentException wrong(String key, String expected, @Nullable Exception cause) {
        return new IllegalArgumentException(
                key + "=\"" + variables.get(key) + "\" is not valid: it must be " + expected, cause);
    }
}
