package dev.dormouse.domain.replica;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Names of pods. The same model, activation and ordinal always give the same name: whoever decides on a stale view
 * meets 409, never a second pod.
 */
public final class ReplicaNames {
    private static final int SUFFIX = 6;
    /** A pod's host name has at most 63 characters. */
    public static final int LONGEST_MODEL = 63 - 1 - SUFFIX;
    private static final String ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

    private ReplicaNames() {}

    /** @param modelUid so that a model created anew under an old name does not meet the pods of the old one */
    public static String of(String model, String modelUid, long activation, int ordinal) {
        byte[] hash = sha256(modelUid + "/" + activation + "/" + ordinal);
        StringBuilder name = new StringBuilder(model).append('-');
        for (int i = 0; i < SUFFIX; i++) {
            name.append(ALPHABET.charAt((hash[i] & 0xff) % ALPHABET.length()));
        }
        return name.toString();
    }

    private static byte[] sha256(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
