package dev.dormouse.gateway.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The model in bodies that are no JSON (BL28). */
class FormsTest {
    private static final String TYPE = "multipart/form-data; charset=utf-8; boundary=\"--X y\"";
    private static final String FORM = String.join("\r\n", "preamble", "----X y",
            "Content-Disposition: form-data; name=\"file\"; filename=\"model\"", "Content-Type: audio/wav", "",
            "RIFF\r\n\r\n--X not the boundary\r\nname=\"model\"", "----X y",
            "content-disposition: form-data; name=\"model\"",
            "", "größe/whisper", "----X y", "Content-Disposition: form-data; name=prompt", "", "x", "----X y--", "");

    private static ModelField in(String type, String body, int length, boolean complete) {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        return ModelField.in(type, Arrays.copyOf(bytes, Math.min(length, bytes.length)), complete);
    }

    @Test
    @DisplayName("Multipart: the part named model, wherever it is; file contents are not searched")
    void multipart() {
        assertThat(in(TYPE, FORM, Integer.MAX_VALUE, true)).isEqualTo(new ModelField.Named("größe/whisper"));
        String without = FORM.replace("name=\"model\"", "name=\"language\"");
        assertThat(in(TYPE, without, Integer.MAX_VALUE, true)).isEqualTo(new ModelField.Missing());
    }

    @Test
    @DisplayName("Multipart cut anywhere is undecided until the value is whole, and never wrong")
    void multipartCutAnywhere() {
        int known = FORM.getBytes(StandardCharsets.UTF_8).length;
        for (int length = 0; length <= known; length++) {
            assertThat(in(TYPE, FORM, length, false))
                    .isIn(new ModelField.NotYet(), new ModelField.Named("größe/whisper"));
        }
        assertThat(in(TYPE, FORM, FORM.indexOf("whisper") + 3, true)).isInstanceOf(ModelField.Malformed.class);
        assertThat(in("multipart/form-data", FORM, 10, true)).isInstanceOf(ModelField.Malformed.class);
    }

    @ParameterizedTest
    @CsvSource({"a=b&model=org%2Fm, true, org/m", "model=m&x=y, false, m", "model=m, false, ?", "a=b, true, -",
            "xmodel=m, true, -"})
    @DisplayName("An URL-encoded form")
    void urlEncoded(String body, boolean complete, String expected) {
        ModelField found = in("application/x-www-form-urlencoded; charset=utf-8", body, 1000, complete);
        assertThat(found).isEqualTo(switch (expected) {
            case "?" -> new ModelField.NotYet();
            case "-" -> new ModelField.Missing();
            default -> new ModelField.Named(expected);
        });
    }
}
