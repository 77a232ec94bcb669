package dev.dormouse.sidecar.format;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How many bytes an element of a type takes, by the type's name. */
public final class ElementWidth {
    /** Nothing is known about elements, or they are single bytes. */
    public static final int BYTES = 1;

    /** The first number of a name is its bits: f32, bf16, float32, f8_e4m3, int4. */
    private static final Pattern BITS = Pattern.compile("[A-Za-z_.]*?([0-9]{1,3})(?:[^0-9].*)?");

    private ElementWidth() {}

    /** @return 2, 4 or 8, and {@link #BYTES} for all else */
    public static int of(String dtype) {
        Matcher bits = BITS.matcher(dtype);
        return bits.matches() ? switch (Integer.parseInt(bits.group(1))) {
            case 16 -> 2;
            case 32 -> 4;
            case 64 -> 8;
            default -> BYTES;
        } : BYTES;
    }
}
