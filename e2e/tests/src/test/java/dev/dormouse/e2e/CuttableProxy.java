package dev.dormouse.e2e;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An HTTPS proxy (CONNECT only) on loopback, as the way from a process to its API server, that can be cut: connections are
 * reset and new ones refused, or everything stays open and nothing flows.
 */
final class CuttableProxy implements AutoCloseable {

    enum State {
        Flowing, Cut, Silent
    }

    private static final int BUFFER = 16 * 1024;

    private final ServerSocket listener;
    /** Both ends of every tunnel. */
    private final Map<Socket, Socket> open = new ConcurrentHashMap<>();
    private final Object changed = new Object();
    private final AtomicInteger tunnels = new AtomicInteger();
    private volatile State state = State.Flowing;

    CuttableProxy() {
        try {
            listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Thread.ofVirtual().name("proxy").start(this::accept);
    }

    /** What goes into {@code HTTPS_PROXY}. */
    String url() {
        return "http://127.0.0.1:" + listener.getLocalPort();
    }

    /** How many connections have gone through so far. */
    int tunnels() {
        return tunnels.get();
    }

    void become(State next) {
        synchronized (changed) {
            state = next;
            changed.notifyAll();
        }
        if (next == State.Cut) {
            Set.copyOf(open.keySet()).forEach(this::reset);
        }
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket client = listener.accept();
                if (state == State.Cut) {
                    reset(client);
                } else {
                    Thread.ofVirtual().name("tunnel").start(() -> tunnel(client));
                }
            } catch (IOException e) {
                // Closed, or a client that left before it was served.
            }
        }
    }

    private void tunnel(Socket client) {
        try {
            String[] target = connectTarget(client.getInputStream()).split(":");
            Socket server = new Socket(target[0], Integer.parseInt(target[1]));
            tunnels.incrementAndGet();
            open.put(client, server);
            open.put(server, client);
            client.getOutputStream().write("HTTP/1.1 200 OK\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            Thread.ofVirtual().name("tunnel-back").start(() -> pump(server, client));
            pump(client, server);
        } catch (IOException e) {
            reset(client);
        }
    }

    /** The head of a CONNECT request is read byte by byte: what follows belongs to the tunnel. */
    private static String connectTarget(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int next = in.read();
            if (next < 0) {
                throw new IOException("no CONNECT");
            }
            head.append((char) next);
        }
        String[] words = head.toString().split(" ");
        if (!words[0].equals("CONNECT")) {
            throw new IOException(head.toString());
        }
        return words[1];
    }

    private void pump(Socket from, Socket to) {
        byte[] buffer = new byte[BUFFER];
        try {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int length = in.read(buffer); length >= 0; length = in.read(buffer)) {
                awaitFlow();
                out.write(buffer, 0, length);
                out.flush();
            }
        } catch (IOException e) {
            // Cut, or one end has gone: the other one is told below.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            reset(from);
        }
    }

    private void awaitFlow() throws InterruptedException {
        synchronized (changed) {
            while (state == State.Silent) {
                changed.wait();
            }
        }
    }

    private void reset(Socket socket) {
        Socket other = open.remove(socket);
        abort(socket);
        if (other != null) {
            open.remove(other);
            abort(other);
        }
    }

    private static void abort(Socket socket) {
        try {
            socket.setSoLinger(true, 0);
            socket.close();
        } catch (IOException e) {
            // It is closed already.
        }
    }

    @Override
    public void close() {
        become(State.Cut);
        try {
            listener.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
