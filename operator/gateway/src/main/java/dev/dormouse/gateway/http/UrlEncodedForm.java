package dev.dormouse.gateway.http;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;

/** {@code application/x-www-form-urlencoded}. */
final class UrlEncodedForm {
    private static final String FIELD = "model=";

    private UrlEncodedForm() {}

    static ModelField model(byte[] body, boolean complete) {
        String[] fields = new String(body, StandardCharsets.US_ASCII).split("&", -1);
        // The last field may go on behind the end of what is there.
        int known = complete ? fields.length : fields.length - 1;
        for (int i = 0; i < known; i++) {
            if (fields[i].startsWith(FIELD)) {
                return named(fields[i].substring(FIELD.length()));
            }
        }
        return complete ? new ModelField.Missing() : new ModelField.NotYet();
    }

    private static ModelField named(String encoded) {
        try {
            return new ModelField.Named(URLDecoder.decode(encoded, StandardCharsets.UTF_8));
        } catch (IllegalArgumentException e) {
            return new ModelField.Malformed("the field \"model\" is not percent-encoded correctly");
        }
    }
}
