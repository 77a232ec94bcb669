package dev.dormouse.cli.bench;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Where results lie: {@code bench_<timestamp>_<run>.json} for each, {@code bench_latest.json}, {@code bench_baseline.json}. */
public record ResultFolder(Path folder) {
    private static final String LATEST = "bench_latest.json";
    private static final String BASELINE = "bench_baseline.json";

    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES);

    public Path latest() {
        return folder.resolve(LATEST);
    }

    public Path baseline() {
        return folder.resolve(BASELINE);
    }

    /** Writes the result under its own name and as the latest: there is no way to run without a record (R35). */
    public Path save(BenchResult result) throws IOException {
        Files.createDirectories(folder);
        String stamp = result.timestamp().replaceAll("[^0-9TZ]", "");
        Path own = folder.resolve("bench_" + stamp + "_" + result.runId() + ".json");
        write(result, own);
        write(result, latest());
        return own;
    }

    /** Makes a result what later ones are compared with. */
    public void saveBaseline(BenchResult result) throws IOException {
        Files.createDirectories(folder);
        write(result, baseline());
    }

    /** Every timestamped result, oldest first. */
    public List<BenchResult> all() throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new UnusableInputException(folder + ": no such folder. Measure with: dormouse bench run");
        }
        List<Path> files;
        try (Stream<Path> found = Files.list(folder)) {
            files = found.filter(file -> file.getFileName().toString().matches("bench_\\d.*\\.json")).toList();
        }
        List<BenchResult> results = new ArrayList<>();
        for (Path file : files) {
            results.add(read(file));
        }
        results.sort(Comparator.comparing(BenchResult::timestamp));
        return List.copyOf(results);
    }

    /** Replaces the file as a whole or not at all. */
    public static void write(BenchResult result, Path file) throws IOException {
        Path next = Files.createTempFile(file.toAbsolutePath().getParent(), file.getFileName().toString(), ".tmp");
        Files.write(next, JSON.writeValueAsBytes(result));
        Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    /** @throws UnusableInputException when the file is not a result of this schema */
    public static BenchResult read(Path file) throws IOException {
        if (!Files.isReadable(file)) {
            throw new UnusableInputException(
                    file + ": no such file, or not readable. Measure with: dormouse bench run");
        }
        try {
            JsonNode tree = JSON.readTree(file.toFile());
            int version = tree.path("schemaVersion").asInt(-1);
            if (version != BenchResult.SCHEMA) {
                throw new UnusableInputException(file + (version < 0
                        ? " is not a bench result: it has no schemaVersion"
                        : " has schema version " + version + ", this dormouse reads " + BenchResult.SCHEMA)
                        + ". Measure again with: dormouse bench run");
            }
            return JSON.treeToValue(tree, BenchResult.class);
        } catch (JacksonException e) {
            throw new UnusableInputException(file + " is not a bench result: " + e.getOriginalMessage());
        }
    }
}
