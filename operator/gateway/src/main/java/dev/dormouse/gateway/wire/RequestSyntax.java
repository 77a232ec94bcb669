package dev.dormouse.gateway.wire;

import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/**
 * Where requests on one HTTP/1 connection begin and end, by the strict reading of RFC 9112: one length or one "chunked",
 * one host, lines that end with CR LF and are not folded. Reads along, changes nothing, keeps no bytes.
 */
final class RequestSyntax {
    /** Longest head, and longest trailer; the server behind has lower limits with better answers. */
    static final int LONGEST_HEAD = 136 << 10;
    private static final int LONGEST_EXTENSION = 1024;
    /** Zeros in front are nothing, but many of them are nobody's number. */
    private static final int MOST_DIGITS = 15;
    /** What the parsers behind count in; nobody sends chunks of 2 GiB. */
    private static final long LARGEST_CHUNK = Integer.MAX_VALUE;

    private enum State {
        StartLine, Fields, Body, ChunkSize, ChunkExtension, ChunkSizeEnd, ChunkData, ChunkDataCr, ChunkDataLf, Trailers
    }

    private State state = State.StartLine;
    /** Bytes of the present head whose lines are known to be right. */
    private int judged;
    /** Bytes of the present line in which there is no end of it. */
    private int searched;
    /** Of the body, or of the chunk. */
    private long remaining;
    private int digits;
    private int extension;
    private boolean chunked;
    private boolean sized;
    private boolean hosted;
    private boolean old;
    private @Nullable String violation;

    /** What is wrong; null while nothing is. Nothing is read any more after that. */
    @Nullable
    String violation() {
        return violation;
    }

    /** Whether the next byte begins a request. */
    boolean betweenRequests() {
        return state == State.StartLine && judged == 0 && searched == 0;
    }

    /** Whether the next byte belongs to the head of a request, or begins one. */
    boolean inHead() {
        return state == State.StartLine || state == State.Fields;
    }

    /**
     * @param in begins where the last call's answer pointed to
     * @return up to where everything is right; what is behind it is an unfinished head or trailer, to be shown again with
     *         more, or a violation
     */
    int advance(ByteBuf in) {
        int end = in.writerIndex();
        int safe = in.readerIndex();
        int at = safe + judged;
        while (at < end && violation == null) {
            switch (state) {
                case StartLine, Fields, Trailers -> {
                    int lf = in.indexOf(at + searched, end, (byte) '\n');
                    if (lf < 0) {
                        searched = end - at;
                        if (judged + searched > LONGEST_HEAD) {
                            violation = "the head is too long";
                        }
                        return safe;
                    }
                    searched = 0;
                    boolean whole = line(in, at, lf);
                    judged += lf + 1 - at;
                    at = lf + 1;
                    if (whole) {
                        judged = 0;
                        safe = at;
                    }
                }
                case Body, ChunkData -> {
                    int part = (int) Math.min(remaining, end - at);
                    remaining -= part;
                    at += part;
                    safe = at;
                    if (remaining == 0) {
                        state = state == State.Body ? State.StartLine : State.ChunkDataCr;
                    }
                }
                default -> {
                    framing(in.getByte(at));
                    at++;
                    safe = violation == null ? at : safe;
                }
            }
        }
        return safe;
    }

    /** Whether the head or the trailer has ended with this line. */
    private boolean line(ByteBuf in, int from, int lf) {
        int to = lf - 1;
        if (to < from || in.getByte(to) != '\r') {
            violation = "a line does not end with CR LF";
            return false;
        }
        if (state == State.StartLine) {
            if (to > from) {
                violation = FieldLines.checkStart(in, from, to);
                old = in.getByte(to - 1) == '0';
                state = State.Fields;
                chunked = false;
                sized = false;
                hosted = false;
            }
            return false; // An empty line before a request is nothing (RFC 9112, 2.2).
        }
        if (to == from) {
            return endOfFields();
        }
        violation = FieldLines.check(in, from, to);
        if (violation == null) {
            meaningful(in, from, to);
        }
        return false;
    }

    private void meaningful(ByteBuf in, int from, int to) {
        boolean length = FieldLines.isNamed("content-length", in, from, to);
        boolean encoding = !length && FieldLines.isNamed("transfer-encoding", in, from, to);
        boolean host = !length && !encoding && FieldLines.isNamed("host", in, from, to);
        if (!length && !encoding && !host) {
            return;
        }
        String value = FieldLines.value(in, from, to);
        if (state == State.Trailers) {
            violation = "there is a framing or a host behind the body";
        } else if (length) {
            violation = sized || chunked || !FieldLines.isLength(value) ? "the length of the body is not clear" : null;
            sized = true;
            remaining = violation == null ? Long.parseLong(value) : 0;
        } else if (encoding) {
            violation = sized || chunked || old || !FieldLines.isChunked(value)
                    ? "the only Transfer-Encoding that is understood is a single \"chunked\", without a Content-Length"
                    : null;
            chunked = true;
        } else {
            violation = hosted || !FieldLines.isHost(value) ? "the host is not clear" : null;
            hosted = true;
        }
    }

    private boolean endOfFields() {
        if (state == State.Trailers) {
            state = State.StartLine;
        } else if (!hosted && !old) {
            violation = "there is no host";
            return false;
        } else if (chunked) {
            beginChunk();
        } else {
            state = sized && remaining > 0 ? State.Body : State.StartLine;
        }
        return true;
    }

    private void beginChunk() {
        state = State.ChunkSize;
        remaining = 0;
        digits = 0;
        extension = 0;
    }

    /** One byte of what is around chunks. */
    private void framing(byte b) {
        switch (state) {
            case ChunkSize -> size(b);
            case ChunkExtension -> extension(b);
            case ChunkSizeEnd -> {
                expect(b, '\n');
                state = remaining == 0 ? State.Trailers : State.ChunkData;
            }
            case ChunkDataCr -> {
                expect(b, '\r');
                state = State.ChunkDataLf;
            }
            case ChunkDataLf -> {
                expect(b, '\n');
                beginChunk();
            }
            default -> throw new IllegalStateException("not around a chunk: " + state);
        }
    }

    private void size(byte b) {
        int digit = Character.digit(b, 16);
        if (digit >= 0 && digits < MOST_DIGITS && remaining * 16 + digit <= LARGEST_CHUNK) {
            digits++;
            remaining = remaining * 16 + digit;
        } else if (digits > 0 && b == ';') {
            state = State.ChunkExtension;
        } else if (digits > 0 && b == '\r') {
            state = State.ChunkSizeEnd;
        } else {
            violation = "a chunk has no clear size";
        }
    }

    private void extension(byte b) {
        extension++;
        if (b == '\r') {
            state = State.ChunkSizeEnd;
        } else if (b >= 0 && b < ' ' && b != '\t' || b == 0x7f || extension > LONGEST_EXTENSION) {
            violation = "the extension of a chunk is not clear";
        }
    }

    private void expect(byte b, char wanted) {
        if (b != wanted) {
            violation = "a chunk does not end where its size says";
        }
    }
}
