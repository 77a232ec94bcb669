package dev.dormouse.engine.onnx.model;

/** All that is needed to answer a request. */
public record EmbeddingModel(ModelSettings settings, TextTokenizer tokenizer, EmbeddingSession session)
        implements
            AutoCloseable {

    @Override
    public void close() {
        session.close();
        tokenizer.close();
    }
}
