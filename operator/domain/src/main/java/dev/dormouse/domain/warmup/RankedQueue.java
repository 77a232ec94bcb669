package dev.dormouse.domain.warmup;

import java.util.Comparator;
import java.util.Random;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A sorted set that also knows the rank of each of its elements: a treap whose nodes count what is below them. Adding,
 * removing, the first and the rank are O(log n) expected. Not thread-safe.
 *
 * <p>INVARIANT: sorted by the comparator from left to right, and a heap by weight from top to bottom.
 */
final class RankedQueue<T> {
    private final Comparator<? super T> order;
    /** Only balances: no decision depends on it. */
    private final Random weights = new Random(0);
    private @Nullable Node<T> root;

    private static final class Node<T> {
        final T value;
        final int weight;
        int size = 1;
        @Nullable
        Node<T> left;
        @Nullable
        Node<T> right;

        Node(T value, int weight) {
            this.value = value;
            this.weight = weight;
        }

        Node<T> counted() {
            size = 1 + size(left) + size(right);
            return this;
        }
    }

    private record Halves<T>(@Nullable Node<T> below, @Nullable Node<T> above) {}

    /** @param order must tell any two elements apart */
    RankedQueue(Comparator<? super T> order) {
        this.order = order;
    }

    int size() {
        return size(root);
    }

    boolean isEmpty() {
        return root == null;
    }

    /** The first; absent when there is none. */
    @Nullable
    T first() {
        Node<T> node = root;
        if (node == null) {
            return null;
        }
        while (node.left != null) {
            node = node.left;
        }
        return node.value;
    }

    void add(T value) {
        Halves<T> halves = split(root, value, false);
        root = merge(merge(halves.below(), new Node<>(value, weights.nextInt())), halves.above());
    }

    /** Does nothing for what is not there. */
    void remove(T value) {
        Halves<T> from = split(root, value, false);
        Halves<T> after = split(from.above(), value, true);
        root = merge(from.below(), after.above());
    }

    /** How many come before this one. */
    int rank(T value) {
        int before = 0;
        Node<T> node = root;
        while (node != null) {
            if (order.compare(node.value, value) < 0) {
                before += size(node.left) + 1;
                node = node.right;
            } else {
                node = node.left;
            }
        }
        return before;
    }

    /** In order. */
    void forEach(Consumer<? super T> action) {
        visit(root, action);
    }

    private static <T> void visit(@Nullable Node<T> node, Consumer<? super T> action) {
        if (node != null) {
            visit(node.left, action);
            action.accept(node.value);
            visit(node.right, action);
        }
    }

    private static int size(@Nullable Node<?> node) {
        return node == null ? 0 : node.size;
    }

    /** @param withIt whether an equal element belongs to those below */
    private Halves<T> split(@Nullable Node<T> node, T at, boolean withIt) {
        if (node == null) {
            return new Halves<>(null, null);
        }
        int compared = order.compare(node.value, at);
        if (compared < 0 || withIt && compared == 0) {
            Halves<T> right = split(node.right, at, withIt);
            node.right = right.below();
            return new Halves<>(node.counted(), right.above());
        }
        Halves<T> left = split(node.left, at, withIt);
        node.left = left.above();
        return new Halves<>(left.below(), node.counted());
    }

    private @Nullable Node<T> merge(@Nullable Node<T> low, @Nullable Node<T> high) {
        if (low == null) {
            return high;
        }
        if (high == null) {
            return low;
        }
        if (low.weight > high.weight) {
            low.right = merge(low.right, high);
            return low.counted();
        }
        high.left = merge(low, high.left);
        return high.counted();
    }
}
