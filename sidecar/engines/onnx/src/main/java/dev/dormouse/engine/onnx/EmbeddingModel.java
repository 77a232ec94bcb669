package dev.dormouse.engine.onnx;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Tokenizer and session: from texts to vectors. */
record EmbeddingModel(Tokenizer tokenizer, EmbeddingSession session) implements AutoCloseable {
    /** Texts per run: bounds the memory of one request. */
    private static final int BATCH = 32;

    /** @param tokens prompt tokens, special ones included */
    record Answer(List<float[]> vectors, int tokens) {}

    Answer embed(EmbeddingRequest request) throws IOException {
        List<long[]> ids = request.tokens().isEmpty() ? tokenizer.encode(request.texts()) : request.tokens();
        List<float[]> vectors = new ArrayList<>(ids.size());
        for (int at = 0; at < ids.size(); at += BATCH) {
            vectors.addAll(session.embed(ids.subList(at, Math.min(ids.size(), at + BATCH))));
        }
        return new Answer(vectors, ids.stream().mapToInt(text -> text.length).sum());
    }

    @Override
    public void close() throws IOException {
        session.close();
        tokenizer.close();
    }
}
