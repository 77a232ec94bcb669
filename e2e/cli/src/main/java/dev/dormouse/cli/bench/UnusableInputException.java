package dev.dormouse.cli.bench;

import java.io.IOException;

/** A file or a pair of files from which nothing can be concluded; the message says which, why, and what to do. */
public final class UnusableInputException extends IOException {
    private static final long serialVersionUID = 1;

    public UnusableInputException(String message) {
        super(message);
    }
}
