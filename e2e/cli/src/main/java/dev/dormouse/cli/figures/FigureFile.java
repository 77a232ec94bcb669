package dev.dormouse.cli.figures;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;

/**
 * A run's figures and where they were measured.
 *
 * @param schema {@link #SCHEMA}; a file with another one is refused
 * @param command what to type to measure again
 * @param at RFC 3339
 * @param environment cores, memory, JDK, kernel
 */
public record FigureFile(int schema, String command, String at, Map<String, String> environment,
        List<Figure> figures) {

    public static final int SCHEMA = 1;

    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT)
            .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);

    public FigureFile {
        environment = Map.copyOf(environment);
        figures = List.copyOf(figures);
    }

    /** Replaces the file as a whole or not at all. */
    public void write(Path file) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        Files.createDirectories(folder);
        Path next = Files.createTempFile(folder, file.getFileName().toString(), ".tmp");
        Files.write(next, JSON.writeValueAsBytes(this));
        Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    /** @throws IOException when the file is not a figure file of this schema; the message says what to do */
    public static FigureFile read(Path file) throws IOException {
        FigureFile read;
        try {
            read = JSON.readValue(file.toFile(), FigureFile.class);
        } catch (JacksonException e) {
            throw new IOException(file + " is not a figure file: " + e.getOriginalMessage(), e);
        }
        if (read.schema != SCHEMA) {
            throw new IOException(file + " has schema " + read.schema + "; this version reads " + SCHEMA
                    + ". Measure again with: " + read.command);
        }
        return read;
    }
}
