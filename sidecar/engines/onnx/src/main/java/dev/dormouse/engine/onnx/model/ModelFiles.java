package dev.dormouse.engine.onnx.model;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The files of a model at its source, named as Hugging Face names them.
 *
 * @param folder where the tokenizer is, and whatever else sentence-transformers keeps beside it
 * @param onnx the graph with its weights
 */
public record ModelFiles(Path folder, Path onnx, Path tokenizer) {

    /**
     * @param path an ONNX file whose tokenizer lies beside it, or a folder with one {@code *.onnx} (in it or in its
     *        {@code onnx/}) and one {@code *tokenizer.json}
     * @throws IOException naming what is missing, or what there is too much of
     */
    public static ModelFiles find(Path path) throws IOException {
        if (Files.isRegularFile(path)) {
            Path folder = path.toAbsolutePath().resolveSibling("");
            return new ModelFiles(folder, path, only(folder, "*tokenizer.json"));
        }
        if (!Files.isDirectory(path)) {
            throw new NoSuchFileException(path.toString(), null,
                    "there is no model: neither an ONNX file nor a folder with one");
        }
        boolean exported = matches(path, "*.onnx").isEmpty() && Files.isDirectory(path.resolve("onnx"));
        return new ModelFiles(path, only(exported ? path.resolve("onnx") : path, "*.onnx"),
                only(path, "*tokenizer.json"));
    }

    private static Path only(Path folder, String pattern) throws IOException {
        List<Path> found = matches(folder, pattern);
        if (found.size() == 1) {
            return found.getFirst();
        }
        // Hugging Face repositories keep quantized variants beside the model itself.
        for (Path usual : List.of(folder.resolve("model.onnx"), folder.resolve("tokenizer.json"))) {
            if (found.contains(usual)) {
                return usual;
            }
        }
        throw new NoSuchFileException(folder.resolve(pattern).toString(), null, found.isEmpty()
                ? "no such file in the model's folder"
                : "several files match and none has the usual name; point at one of " + found);
    }

    private static List<Path> matches(Path folder, String pattern) throws IOException {
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, pattern)) {
            files.forEach(found::add);
        }
        found.sort(Comparator.naturalOrder());
        return found;
    }
}
