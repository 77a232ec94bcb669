package dev.dormouse.gateway.http;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;

/** An engine that answers the bytes it was given, one answer per request, and closes where the answer says so. */
final class RawEngine implements AutoCloseable {
    private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final List<String> answers = new CopyOnWriteArrayList<>();
    /** Requests as they came: head, an empty line, body without its chunks' framing. */
    final List<String> seen = new CopyOnWriteArrayList<>();
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();
    private volatile boolean atOnce;
    private volatile CompletableFuture<Void> begun = new CompletableFuture<>();

    RawEngine() throws IOException {
        Thread.ofVirtual().start(() -> {
            try {
                while (true) {
                    Socket socket = server.accept();
                    sockets.add(socket);
                    Thread.ofVirtual().start(() -> serve(socket));
                }
            } catch (IOException e) {
                // closed
            }
        });
    }

    int port() {
        return server.getLocalPort();
    }

    void answers(String... texts) {
        begun = new CompletableFuture<>();
        answers.addAll(List.of(texts));
    }

    void answersAtOnce(String text) {
        atOnce = true;
        answers(text);
    }

    /** Until a request has begun to arrive here, or the gateway has answered it itself. */
    void awaitRequestOrAnswer(Socket client) throws IOException {
        while (!begun.isDone() && client.getInputStream().available() == 0) {
            Thread.onSpinWait();
        }
    }

    private void serve(Socket socket) {
        try (socket) {
            InputStream in = socket.getInputStream();
            for (String head = readHead(in); head.endsWith("\r\n\r\n"); head = readHead(in)) {
                begun.complete(null);
                seen.add(atOnce ? head : head + body(head.toLowerCase(Locale.ROOT), in));
                String answer = answers.removeFirst();
                write(socket, answer);
                if (answer.startsWith("HTTP/1.0") || answer.contains("Connection: close")) {
                    return;
                }
            }
        } catch (IOException e) {
            // the gateway closed it
        }
    }

    private static String body(String head, InputStream in) throws IOException {
        int at = head.indexOf("content-length: ");
        if (at >= 0) {
            int length = Integer.parseInt(head.substring(at + 16, head.indexOf('\r', at)));
            return new String(in.readNBytes(length), StandardCharsets.ISO_8859_1);
        }
        StringBuilder body = new StringBuilder();
        if (head.contains("transfer-encoding: chunked")) {
            for (int size = size(in); size > 0; size = size(in)) {
                body.append(new String(in.readNBytes(size), StandardCharsets.ISO_8859_1));
                in.readNBytes(2);
            }
            in.readNBytes(2);
        }
        return body.toString();
    }

    private static int size(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int next = in.read(); next != '\n'; next = in.read()) {
            line.append((char) next);
        }
        return Integer.parseInt(line.toString().strip(), 16);
    }

    @Override
    public void close() {
        try {
            server.close();
            for (Socket socket : sockets) {
                socket.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void write(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
        socket.getOutputStream().flush();
    }

    static String readAll(Socket socket) throws IOException {
        return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    }

    static String readHead(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
            int next = in.read();
            if (next < 0) {
                break;
            }
            head.write(next);
        }
        return head.toString(StandardCharsets.ISO_8859_1);
    }
}
