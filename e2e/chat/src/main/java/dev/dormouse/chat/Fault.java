package dev.dormouse.chat;

import java.util.Arrays;
import java.util.stream.Collectors;

/** What goes wrong with an answer. */
public enum Fault {
    None,
    /** The stream stops after half of its tokens and stays open. */
    Stall,
    /** The connection is closed after half of the tokens, in the middle of the stream. */
    Reset,
    /** 500 instead of an answer. */
    ServerError,
    /** The headers come a second late. */
    SlowHeaders,
    /** An event in the middle of the stream is no JSON. */
    BadEvent;

    /** @throws IllegalArgumentException naming those there are */
    public static Fault named(String name) {
        for (Fault fault : values()) {
            if (fault.name().equalsIgnoreCase(name)) {
                return fault;
            }
        }
        throw new IllegalArgumentException("there is no fault \"" + name + "\"; there are "
                + Arrays.stream(values()).map(Fault::name).collect(Collectors.joining(", ")));
    }
}
