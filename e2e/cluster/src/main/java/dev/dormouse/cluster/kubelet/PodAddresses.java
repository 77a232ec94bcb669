package dev.dormouse.cluster.kubelet;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Addresses for pods from 127.64.0.0/10. Every pod has its own, so that all may listen on the same port. An address is
 * held by a bound UDP socket: no other pod of this machine can get it, whichever node or process it belongs to, and it
 * is free again when the holder dies.
 */
final class PodAddresses {
    /** Nobody listens there; the port only marks the address as taken. */
    private static final int MARK_PORT = 10_255;
    private static final int FIRST = 127 << 24 | 64 << 16;
    private static final int COUNT = 1 << 22;

    /** One address, until closed. */
    record Lease(String address, DatagramSocket mark) implements AutoCloseable {
        @Override
        public void close() {
            mark.close();
        }
    }

    /**
     * @throws IOException when this machine does not let a process bind to addresses under 127.64.0.0/10
     */
    static Lease take() throws IOException {
        IOException last = new IOException("no address tried");
        for (int attempt = 0; attempt < 20; attempt++) {
            // The first and the last address look like a network and a broadcast address to some programs.
            int host = ThreadLocalRandom.current().nextInt(1, COUNT - 1);
            try {
                return lease(FIRST | host);
            } catch (IOException e) {
                last = e;
            }
        }
        throw new IOException("no free address in 127.64.0.0/10 for a pod: " + last.getMessage(), last);
    }

    private static Lease lease(int bits) throws IOException {
        InetAddress address = InetAddress
                .getByAddress(new byte[]{(byte) (bits >> 24), (byte) (bits >> 16), (byte) (bits >> 8), (byte) bits});
        return new Lease(address.getHostAddress(), new DatagramSocket(new InetSocketAddress(address, MARK_PORT)));
    }

    private PodAddresses() {}
}
