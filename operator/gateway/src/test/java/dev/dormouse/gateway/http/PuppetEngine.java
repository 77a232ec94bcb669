package dev.dormouse.gateway.http;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** An engine whose every byte the test writes and reads itself. */
final class PuppetEngine implements AutoCloseable {
    private static final int PATIENCE_MILLIS = 20_000;

    private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());

    PuppetEngine() throws IOException {
        server.setSoTimeout(PATIENCE_MILLIS);
    }

    int port() {
        return server.getLocalPort();
    }

    /** The gateway's next connection. */
    Wire accept() throws IOException {
        return new Wire(server.accept());
    }

    static Wire connect(int port) throws IOException {
        return new Wire(new Socket(InetAddress.getLoopbackAddress(), port));
    }

    @Override
    public void close() throws IOException {
        server.close();
    }

    /** One end of a connection, read and written by hand. */
    record Wire(Socket socket) implements AutoCloseable {
        Wire {
            try {
                socket.setSoTimeout(PATIENCE_MILLIS);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }

        void write(String text) throws IOException {
            socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
            socket.getOutputStream().flush();
        }

        /** Everything up to and with this text, or up to the end. */
        String readThrough(String last) throws IOException {
            InputStream in = socket.getInputStream();
            ByteArrayOutputStream read = new ByteArrayOutputStream();
            while (!read.toString(StandardCharsets.ISO_8859_1).endsWith(last)) {
                int next = in.read();
                if (next < 0) {
                    break;
                }
                read.write(next);
            }
            return read.toString(StandardCharsets.ISO_8859_1);
        }

        String readHead() throws IOException {
            return readThrough("\r\n\r\n");
        }

        String readAll() throws IOException {
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
        }

        /** Whether the other side has closed or reset it. */
        boolean ended() {
            try {
                byte[] stillUnderWay = new byte[64 << 10];
                while (socket.getInputStream().read(stillUnderWay) >= 0) {
                    // Nobody asks for it.
                }
                return true;
            } catch (java.net.SocketTimeoutException e) {
                return false;
            } catch (IOException e) {
                return true;
            }
        }

        /** Writes until nothing is taken any more; answers how many bytes were. */
        long writeUntilFull(long most) throws IOException {
            byte[] piece = new byte[64 << 10];
            long[] written = {0};
            Thread writer = Thread.startVirtualThread(() -> {
                try {
                    while (written[0] < most) {
                        socket.getOutputStream().write(piece);
                        written[0] += piece.length;
                    }
                } catch (IOException e) {
                    // The test is over.
                }
            });
            long before = -1;
            try {
                while (writer.isAlive() && before != written[0]) {
                    before = written[0];
                    writer.join(java.time.Duration.ofMillis(300));
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            return written[0];
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
