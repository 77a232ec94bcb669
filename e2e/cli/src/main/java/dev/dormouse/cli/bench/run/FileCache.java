package dev.dormouse.cli.bench.run;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/** The page cache's share of a folder, by coreutils' {@code dd} and util-linux' {@code fincore}. */
final class FileCache {
    private FileCache() {}

    /** Drops the folder's files from the page cache, as far as they are on the disk already and nobody maps them. */
    static void drop(Path folder) throws IOException, InterruptedException {
        for (Path file : files(folder)) {
            // Copies nothing: posix_fadvise(DONTNEED) over the whole file.
            output(List.of("dd", "if=" + file, "iflag=nocache", "count=0", "status=none"));
        }
    }

    /** Bytes in the page cache over bytes; empty without files, or where there is no {@code fincore}. */
    static OptionalDouble share(Path folder) throws IOException, InterruptedException {
        List<Path> files = files(folder);
        if (files.isEmpty()) {
            return OptionalDouble.empty();
        }
        List<String> command = new ArrayList<>(List.of("fincore", "--bytes", "--noheadings", "--raw", "--output",
                "RES,SIZE"));
        files.forEach(file -> command.add(file.toString()));
        try {
            long resident = 0;
            long size = 0;
            for (String line : output(command).lines().toList()) {
                String[] columns = line.strip().split("\\s+");
                resident += Long.parseLong(columns[0]);
                size += Long.parseLong(columns[1]);
            }
            return size == 0 ? OptionalDouble.empty() : OptionalDouble.of((double) resident / size);
        } catch (IOException e) {
            return OptionalDouble.empty(); // The result then says that nobody knows, which is what R29 asks for.
        }
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }

    private static String output(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + ": " + said.strip());
        }
        return said;
    }
}
