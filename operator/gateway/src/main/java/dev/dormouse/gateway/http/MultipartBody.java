package dev.dormouse.gateway.http;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code multipart/form-data} (RFC 7578), as audio and image clients send it: the part named {@code model} is looked for,
 * files are skipped over. Read as ISO 8859-1, in which every byte is one character.
 */
final class MultipartBody {
    private static final Pattern BOUNDARY = Pattern
            .compile("(?i);\\s*boundary=(?:\"([^\"]{1,70})\"|([^\\s;\"]{1,70}))");
    private static final Pattern NAMED_MODEL = Pattern
            .compile("(?im)^content-disposition:\\s*form-data\\b[^\\r\\n]*;\\s*name=\"?model\"?\\s*(?:;|$)");
    private static final String LINE = "\r\n";
    /** Longest headers of one part. */
    private static final int LONGEST_HEAD = 16 << 10;

    private MultipartBody() {}

    static ModelField model(String contentType, byte[] body, boolean complete) {
        Optional<String> boundary = boundary(contentType);
        if (boundary.isEmpty()) {
            return new ModelField.Malformed("the Content-Type multipart/form-data has no boundary");
        }
        String text = new String(body, StandardCharsets.ISO_8859_1);
        String delimiter = "--" + boundary.get();
        int at = text.startsWith(delimiter) ? 0 : behind(text.indexOf(LINE + delimiter), LINE);
        while (at >= 0) {
            int head = at + delimiter.length();
            if (text.startsWith("--", head)) {
                return new ModelField.Missing();
            }
            int value = text.indexOf(LINE + LINE, head);
            if (value < 0) {
                return text.length() - head > LONGEST_HEAD
                        ? new ModelField.Malformed("a part of the form has no end of its headers")
                        : unfinished(complete);
            }
            int end = text.indexOf(LINE + delimiter, value + LINE.length());
            if (NAMED_MODEL.matcher(text.substring(head, value).replace(LINE, "\n")).find()) {
                return end < 0 ? unfinished(complete) : named(text.substring(value + 2 * LINE.length(), end));
            }
            at = behind(end, LINE);
        }
        return unfinished(complete);
    }

    private static int behind(int at, String what) {
        return at < 0 ? -1 : at + what.length();
    }

    private static Optional<String> boundary(String contentType) {
        Matcher matcher = BOUNDARY.matcher(contentType);
        return matcher.find()
                ? Optional.of(matcher.group(1) == null ? matcher.group(2) : matcher.group(1))
                : Optional.empty();
    }

    private static ModelField unfinished(boolean complete) {
        return complete
                ? new ModelField.Malformed("the form ends before its closing boundary")
                : new ModelField.NotYet();
    }

    private static ModelField named(String latin) {
        return new ModelField.Named(
                new String(latin.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8).strip());
    }
}
