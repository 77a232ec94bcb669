package dev.dormouse.engine.onnx.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.engine.onnx.model.ModelSettings.Pooling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelFilesTest {
    @TempDir
    Path folder;

    @BeforeEach
    void aTokenizer() throws IOException {
        write("tokenizer.json",
                """
                {"padding": {"pad_id": 1}, "truncation": {"max_length": 128}, "model": {"vocab": {"a": 0, "b": 1}},
                 "added_tokens": [{"id": 6}]}""");
    }

    @Test
    void aFolderMayBeLaidOutAsHuggingFaceDoesIt() throws IOException {
        write("onnx/model_quantized.onnx", "");
        write("onnx/model.onnx", "");

        ModelFiles files = ModelFiles.find(folder);

        assertThat(files.onnx()).isEqualTo(folder.resolve("onnx/model.onnx"));
        assertThat(files.tokenizer()).isEqualTo(folder.resolve("tokenizer.json"));
    }

    @Test
    void aFileMayBeNamedWithItsTokenizerBesideIt() throws IOException {
        write("minilm.onnx", "");

        assertThat(ModelFiles.find(folder.resolve("minilm.onnx"))).isEqualTo(
                new ModelFiles(folder, folder.resolve("minilm.onnx"), folder.resolve("tokenizer.json")));
    }

    @Test
    void whatIsMissingOrAmbiguousIsNamed() throws IOException {
        assertThatThrownBy(() -> ModelFiles.find(folder.resolve("nothing"))).hasMessageContaining("nothing")
                .hasMessageContaining("no model");
        assertThatThrownBy(() -> ModelFiles.find(folder)).hasMessageContaining("*.onnx");
        write("a.onnx", "");
        write("b.onnx", "");
        assertThatThrownBy(() -> ModelFiles.find(folder)).hasMessageContaining("a.onnx").hasMessageContaining("b.onnx");
    }

    @Test
    void settingsComeFromTheFilesThatSentenceTransformersWrites() throws IOException {
        write("model.onnx", "");
        assertThat(settings()).isEqualTo(new ModelSettings(512, 1, 7, Pooling.Mean));

        write("tokenizer_config.json", "{\"model_max_length\": 1000000000000000019884624838656}");
        assertThat(settings().maxTokens()).isEqualTo(512);

        write("tokenizer_config.json", "{\"model_max_length\": 8192}");
        assertThat(settings().maxTokens()).isEqualTo(8192);

        write("sentence_bert_config.json", "{\"max_seq_length\": 256}");
        write("1_Pooling/config.json", "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}");
        assertThat(settings()).isEqualTo(new ModelSettings(256, 1, 7, Pooling.Cls));

        write("1_Pooling/config.json", "{\"pooling_mode_cls_token\": false, \"pooling_mode_mean_tokens\": false}");
        assertThatThrownBy(this::settings).hasMessageContaining("pooling");
    }

    private ModelSettings settings() throws IOException {
        return ModelSettings.read(ModelFiles.find(folder), new ObjectMapper());
    }

    private void write(String name, String content) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.resolveSibling(""));
        Files.writeString(file, content);
    }
}
