package dev.dormouse.sidecar.format;

import static dev.dormouse.sidecar.format.Blake3Lanes.CV;
import static dev.dormouse.sidecar.format.Blake3Lanes.LEAF_BYTES;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * BLAKE3 (unkeyed, 32 bytes): the identity of content. Reads memory where it lies, on or off the heap; inputs of any
 * length, in one piece ({@link #hash}) or many ({@link #update}, {@link #digest}). Belongs to one thread, keeps about 1.1 MiB and is
 * made to be used again.
 *
 * <p>BLAKE3 is a binary tree over leaves of 1024 bytes whose left subtrees are complete. A batch of {@value #BATCH_LEAVES} leaves is
 * hashed side by side; a whole batch is a complete subtree, so it becomes one chaining value on the stack, where two of
 * equal size become one of the next. The last batch is kept back until the end is known, for the root is marked.
 */
public final class Blake3 {
    public static final int DIGEST_BYTES = 32;

    /** A power of two, so that a whole batch is a complete subtree; large enough for its upper levels to be cheap. */
    private static final int BATCH_LEAVES = 1024;
    private static final int BATCH_BYTES = BATCH_LEAVES * LEAF_BYTES;
    /** Subtrees of one batch and more: one for each bit of the number of batches. */
    private static final int MAX_SUBTREES = 64;

    private final Blake3Lanes lanes = new Blake3Lanes();
    private final int[] values = new int[BATCH_LEAVES * CV];
    private final int[] pair = new int[2 * CV];
    private final int[] stack = new int[MAX_SUBTREES * CV];
    private final MemorySegment pending = MemorySegment.ofArray(new byte[BATCH_BYTES]);
    private int depth;
    private long batches;
    private int pendingBytes;

    /** The digest of these bytes alone; what was given to {@link #update} before is forgotten. */
    public byte[] hash(MemorySegment data) {
        reset();
        long whole = wholeBatches(data);
        return finish(data.asSlice(whole));
    }

    public Blake3 update(MemorySegment data) {
        long at = 0;
        if (pendingBytes > 0) {
            at = keep(data);
            if (at == data.byteSize()) {
                return this;
            }
            batch(pending, 0);
            pendingBytes = 0;
        }
        at += wholeBatches(data.asSlice(at));
        keep(data.asSlice(at));
        return this;
    }

    /** The digest of all bytes given since the start or the last digest; the next input starts anew. */
    public byte[] digest() {
        return finish(pending.asSlice(0, pendingBytes));
    }

    public void reset() {
        depth = 0;
        batches = 0;
        pendingBytes = 0;
    }

    /** Hashes all batches that more bytes follow. @return how many bytes that were */
    private long wholeBatches(MemorySegment data) {
        long at = 0;
        while (data.byteSize() - at > BATCH_BYTES) {
            batch(data, at);
            at += BATCH_BYTES;
        }
        return at;
    }

    private int keep(MemorySegment data) {
        int kept = (int) Math.min(data.byteSize(), BATCH_BYTES - pendingBytes);
        MemorySegment.copy(data, 0, pending, pendingBytes, kept);
        pendingBytes += kept;
        return kept;
    }

    private void batch(MemorySegment data, long at) {
        lanes.leaves(data.asSlice(at, BATCH_BYTES), BATCH_LEAVES, batches * BATCH_LEAVES, values);
        for (int count = BATCH_LEAVES; count > 1; count /= 2) {
            lanes.parents(values, count / 2, false);
        }
        batches++;
        push(values);
        // As many equal subtrees meet as the number of batches has zeros at its end.
        for (long rest = batches; (rest & 1) == 0; rest >>>= 1) {
            join(false);
        }
    }

    /** @param tail the last 0 to {@link #BATCH_BYTES} bytes; not empty unless the whole input is */
    private byte[] finish(MemorySegment tail) {
        int leaves = Math.max(1, Math.ceilDiv((int) tail.byteSize(), LEAF_BYTES));
        boolean only = batches == 0;
        if (leaves > 1) {
            lanes.leaves(tail, leaves - 1, batches * BATCH_LEAVES, values);
        }
        lanes.leaf(tail.asSlice((leaves - 1L) * LEAF_BYTES), batches * BATCH_LEAVES + leaves - 1, only && leaves == 1,
                values,
                (leaves - 1) * CV);
        for (int count = leaves; count > 1; count = Math.ceilDiv(count, 2)) {
            lanes.parents(values, count / 2, only && count == 2);
            if (count % 2 == 1) {
                // One without a sibling waits for the level above.
                System.arraycopy(values, (count - 1) * CV, values, count / 2 * CV, CV);
            }
        }
        push(values);
        while (depth > 1) {
            join(depth == 2);
        }
        var digest = new byte[DIGEST_BYTES];
        ByteBuffer.wrap(digest).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().put(stack, 0, CV);
        reset();
        return digest;
    }

    private void push(int[] value) {
        System.arraycopy(value, 0, stack, depth++ * CV, CV);
    }

    /** The two topmost subtrees become one. */
    private void join(boolean root) {
        depth -= 2;
        System.arraycopy(stack, depth * CV, pair, 0, 2 * CV);
        lanes.parents(pair, 1, root);
        push(pair);
    }
}
