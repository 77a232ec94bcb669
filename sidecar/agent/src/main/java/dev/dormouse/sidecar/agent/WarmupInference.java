package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Sends real requests to the engine over HTTP (H28). One thread sends; any other may {@link #cancel()}, which ends even
 * a request whose answer never ends.
 *
 * <p>Speaks HTTP itself, over a connection per request that the engine closes after its answer: the JDK's older client
 * cannot be interrupted while it reads, and loading its newer one takes longer than a small model's whole warmup.
 */
final class WarmupInference {
    private static final int SHOWN = 300;
    private static final int HEAD = 16 << 10;
    /** More of an answer is read and not kept. */
    private static final int KEPT = 4 << 20;
    static final int NO_HTTP = 0;
    private static final Pattern STATUS = Pattern.compile("HTTP/1\\.[01] ([1-5][0-9]{2})\\b.*");

    private final String host;
    private final int port;
    private final int timeoutMillis;
    private @Nullable Socket inFlight;
    private boolean cancelled;

    /** @param timeout for the next byte of an answer; whoever needs a bound on the whole calls {@link #cancel()} */
    WarmupInference(String host, int port, Duration timeout) {
        this.host = host;
        this.port = port;
        this.timeoutMillis = Math.toIntExact(Math.min(Integer.MAX_VALUE, timeout.toMillis()));
    }

    /**
     * Sends one request and reads the whole answer.
     *
     * @return microseconds from connecting to the last byte received
     * @throws IOException when the engine cannot be reached, breaks off, or answers anything but 2xx
     */
    long send(WarmupRequest request) throws IOException {
        long start = System.nanoTime();
        ask(request);
        return (System.nanoTime() - start) / 1_000;
    }

    /** The same, for whoever wants the body of the answer; without its head, as it came. */
    byte[] ask(WarmupRequest request) throws IOException {
        try (Socket socket = open()) {
            socket.connect(new InetSocketAddress(host, port), timeoutMillis);
            socket.setSoTimeout(timeoutMillis);
            socket.setTcpNoDelay(true);
            OutputStream out = socket.getOutputStream();
            out.write(head(request));
            out.write(request.body());
            out.flush();
            return check(request, socket.getInputStream());
        }
    }

    private byte[] head(WarmupRequest request) {
        String authority = host.contains(":") ? "[" + host + "]:" + port : host + ":" + port;
        return ("POST " + request.path() + " HTTP/1.1\r\nHost: " + authority + "\r\nContent-Type: application/json\r\n"
                + "Content-Length: " + request.body().length + "\r\nConnection: close\r\n\r\n").getBytes(ISO_8859_1);
    }

    /** What the first line of an answer says; {@link #NO_HTTP} when it is none of HTTP/1. */
    static int status(String line) {
        Matcher status = STATUS.matcher(line);
        return status.matches() ? Integer.parseInt(status.group(1)) : NO_HTTP;
    }

    private static byte[] check(WarmupRequest request, InputStream answer) throws IOException {
        byte[] all = answer.readNBytes(KEPT);
        answer.transferTo(OutputStream.nullOutputStream());
        String beginning = new String(all, 0, Math.min(HEAD, all.length), UTF_8);
        int status = status(beginning.lines().findFirst().orElse(""));
        if (status == NO_HTTP) {
            throw new IOException("the engine answered POST " + request.path() + " with something that is not HTTP");
        }
        if (status / 100 != 2) {
            String body = beginning.substring(Math.max(0, beginning.indexOf("\r\n\r\n"))).strip();
            throw new IOException("the engine answered POST " + request.path() + " with " + status + ": "
                    + body.substring(0, Math.min(SHOWN, body.length())));
        }
        int head = beginning.indexOf("\r\n\r\n");
        byte[] body = Arrays.copyOfRange(all, head < 0 ? all.length : head + 4, all.length);
        return beginning.substring(0, Math.max(0, head)).toLowerCase(Locale.ROOT).contains("transfer-encoding: chunked")
                ? unchunked(body)
                : body;
    }

    /** Sizes in hex, each on a line before its bytes. */
    private static byte[] unchunked(byte[] body) throws IOException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        int at = 0;
        while (at < body.length) {
            int end = at;
            while (end < body.length && body[end] != '\r' && body[end] != ';') {
                end++;
            }
            int size;
            try {
                size = Integer.parseInt(new String(body, at, end - at, ISO_8859_1).strip(), 16);
            } catch (NumberFormatException e) {
                throw new IOException("the engine's answer is not chunked as it says", e);
            }
            while (end < body.length && body[end] != '\n') {
                end++;
            }
            int begin = Math.min(body.length, end + 1);
            int length = Math.min(size, body.length - begin);
            whole.write(body, begin, length);
            at = size == 0 ? body.length : begin + length + 2;
        }
        return whole.toByteArray();
    }

    private synchronized Socket open() throws IOException {
        if (cancelled) {
            throw new IOException("the warmup was cancelled");
        }
        Socket socket = new Socket();
        inFlight = socket;
        return socket;
    }

    synchronized void cancel() {
        cancelled = true;
        if (inFlight != null) {
            try {
                inFlight.close();
            } catch (IOException e) {
                // It is closed all the same, and its reader has woken up.
            }
        }
    }
}
