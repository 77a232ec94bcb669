package dev.dormouse.gateway.http;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;

/** An engine whose process dies while it answers: it writes so much, raw, and closes the connection. */
final class DyingEngine implements AutoCloseable {
    private final ServerSocket server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
    private final String lastWords;

    DyingEngine(String lastWords) throws IOException {
        this.lastWords = lastWords;
        Thread.startVirtualThread(this::serve);
    }

    private void serve() {
        try {
            while (true) {
                try (Socket connection = server.accept()) {
                    // One read suffices: the gateway writes a small request in one go.
                    if (connection.getInputStream().read(new byte[65536]) > 0) {
                        connection.getOutputStream().write(lastWords.getBytes(StandardCharsets.US_ASCII));
                    }
                }
            }
        } catch (SocketException closed) {
            // The test is over.
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    int port() {
        return server.getLocalPort();
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
