package dev.dormouse.gateway.wire;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The grammar of single lines (RFC 9110, 5; RFC 9112, 3 and 5), without any of the leniency that it permits. A line is
 * given without its CR LF; the answer is what is wrong with it, or null.
 */
final class FieldLines {
    private static final boolean[] TOKEN = tokens();
    private static final String HOST_BESIDE_LETTERS = "-._~%:[]!$&'()*+;=";

    private FieldLines() {}

    private static boolean[] tokens() {
        boolean[] token = new boolean[256];
        for (char c : "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".toCharArray()) {
            token[c] = true;
        }
        return token;
    }

    /** {@code method SP target SP HTTP/1.x}. */
    static @Nullable String checkStart(ByteBuf in, int from, int to) {
        int at = endOfToken(in, from, to);
        if (at == from || at == to || in.getByte(at) != ' ') {
            return "the request line does not begin with a method and one space";
        }
        int target = at + 1;
        at = target;
        while (at < to && in.getByte(at) != ' ') {
            byte b = in.getByte(at);
            if (b >= 0 && b < ' ' || b == 0x7f) {
                return "there is a control character in the request line";
            }
            at++;
        }
        if (at == target || at == to) {
            return "the request line has no target, or no version";
        }
        String version = text(in, at + 1, to);
        return version.equals("HTTP/1.1") || version.equals("HTTP/1.0")
                ? null
                : "the request line ends with no version that is understood";
    }

    /** {@code name: value}. */
    static @Nullable String check(ByteBuf in, int from, int to) {
        byte first = in.getByte(from);
        if (first == ' ' || first == '\t') {
            return "a field is folded over several lines";
        }
        int colon = endOfToken(in, from, to);
        if (colon == from || colon == to || in.getByte(colon) != ':') {
            return "a field has no clear name";
        }
        for (int at = colon + 1; at < to; at++) {
            byte b = in.getByte(at);
            if (b >= 0 && b < ' ' && b != '\t' || b == 0x7f) {
                return "there is a control character in a field";
            }
        }
        return null;
    }

    private static int endOfToken(ByteBuf in, int from, int to) {
        int at = from;
        while (at < to && TOKEN[in.getByte(at) & 0xff]) {
            at++;
        }
        return at;
    }

    /** Whether a checked line has this name. @param name in small letters */
    static boolean isNamed(String name, ByteBuf in, int from, int to) {
        int length = name.length();
        if (to - from <= length || in.getByte(from + length) != ':') {
            return false;
        }
        for (int i = 0; i < length; i++) {
            // Every name that matters consists of letters and '-', which this leaves alone.
            if ((in.getByte(from + i) | 0x20) != name.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    /** Of a checked line. */
    static String value(ByteBuf in, int from, int to) {
        int at = endOfToken(in, from, to) + 1;
        int end = to;
        while (at < end && isBlank(in.getByte(at))) {
            at++;
        }
        while (end > at && isBlank(in.getByte(end - 1))) {
            end--;
        }
        return text(in, at, end);
    }

    private static boolean isBlank(byte b) {
        return b == ' ' || b == '\t';
    }

    private static String text(ByteBuf in, int from, int to) {
        return in.toString(from, to - from, StandardCharsets.ISO_8859_1);
    }

    /** Digits only, so that no other parser finds another number; at most 18, which fit into a long. */
    static boolean isLength(String value) {
        return !value.isEmpty() && value.length() <= 18 && value.chars().allMatch(c -> c >= '0' && c <= '9');
    }

    /** Name or address, and perhaps a port; neither a user nor a path nor a list. */
    static boolean isHost(String value) {
        return value.chars()
                .allMatch(c -> c < 0x80 && Character.isLetterOrDigit(c) || HOST_BESIDE_LETTERS.indexOf(c) >= 0);
    }

    static boolean isChunked(String value) {
        return value.toLowerCase(Locale.ROOT).equals("chunked");
    }
}
