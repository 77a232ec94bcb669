package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
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
        try (Socket socket = open()) {
            socket.connect(new InetSocketAddress(host, port), timeoutMillis);
            socket.setSoTimeout(timeoutMillis);
            socket.setTcpNoDelay(true);
            OutputStream out = socket.getOutputStream();
            out.write(head(request));
            out.write(request.body());
            out.flush();
            check(request, socket.getInputStream());
            return (System.nanoTime() - start) / 1_000;
        }
    }

    private byte[] head(WarmupRequest request) {
        String authority = host.contains(":") ? "[" + host + "]:" + port : host + ":" + port;
        return ("POST " + request.path() + " HTTP/1.1\r\nHost: " + authority + "\r\nContent-Type: application/json\r\n"
                + "Content-Length: " + request.body().length + "\r\nConnection: close\r\n\r\n").getBytes(ISO_8859_1);
    }

    private static void check(WarmupRequest request, InputStream answer) throws IOException {
        String beginning = new String(answer.readNBytes(HEAD), UTF_8);
        answer.transferTo(OutputStream.nullOutputStream());
        Matcher status = STATUS.matcher(beginning.lines().findFirst().orElse(""));
        if (!status.matches()) {
            throw new IOException("the engine answered POST " + request.path() + " with something that is not HTTP");
        }
        if (!status.group(1).startsWith("2")) {
            String body = beginning.substring(Math.max(0, beginning.indexOf("\r\n\r\n"))).strip();
            throw new IOException("the engine answered POST " + request.path() + " with " + status.group(1) + ": "
                    + body.substring(0, Math.min(SHOWN, body.length())));
        }
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
