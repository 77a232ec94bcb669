package dev.dormouse.engine.onnx.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which inputs run together. Texts of like length share a batch, because all are padded to the longest of it; a batch
 * is bounded in padded tokens, because activations grow with them.
 */
final class BatchPlan {
    private BatchPlan() {}

    /**
     * @param lengths tokens of each input, at least 1
     * @param maxTokens of a batch, padding included; an input longer than that runs alone
     * @return indexes of inputs per batch; each input once
     */
    static List<List<Integer>> of(List<Integer> lengths, int maxTokens) {
        List<Integer> byLength = IntStream.range(0, lengths.size())
                .boxed()
                .sorted(Comparator.comparing(lengths::get))
                .toList();
        List<List<Integer>> batches = new ArrayList<>();
        List<Integer> batch = new ArrayList<>();
        for (int input : byLength) {
            // Ascending, so that this input's length is the one that the batch would be padded to.
            long padded = (long) lengths.get(input) * (batch.size() + 1);
            if (!batch.isEmpty() && padded > maxTokens) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            batch.add(input);
        }
        if (!batch.isEmpty()) {
            batches.add(batch);
        }
        return batches;
    }
}
