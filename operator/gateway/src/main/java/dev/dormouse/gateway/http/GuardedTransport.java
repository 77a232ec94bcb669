package dev.dormouse.gateway.http;

import dev.dormouse.gateway.wire.RequestGuard;
import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.ServerChannel;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.InternetProtocolFamily;
import io.vertx.core.datagram.DatagramSocketOptions;
import io.vertx.core.net.TcpConfig;
import io.vertx.core.transport.Transport;
import java.time.Duration;

/**
 * The transport of this machine, with a {@link RequestGuard} at the head of every accepted connection: Vert.x offers no
 * other place before its HTTP decoder, which unfolds folded fields and reads requests that engines read otherwise.
 */
final class GuardedTransport implements Transport {
    private final Transport real;
    private final Duration patience;

    private GuardedTransport(Transport real, Duration patience) {
        this.real = real;
        this.patience = patience;
    }

    /**
     * Epoll where there is one: it notices a client that leaves while nothing is read from it; NIO does not.
     *
     * @param patience how long a connection may be open before its first request's head is complete
     */
    static Transport ofThisMachine(Duration patience) {
        Transport own = Transport.nativeTransport();
        return new GuardedTransport(own != null && own.available() ? own : Transport.NIO, patience);
    }

    @Override
    public String name() {
        return real.name();
    }

    @Override
    public boolean available() {
        return real.available();
    }

    @Override
    public Throwable unavailabilityCause() {
        return real.unavailabilityCause();
    }

    @Override
    public io.vertx.core.spi.transport.Transport implementation() {
        return new Guarded(real.implementation(), patience);
    }

    @Sharable
    private static final class Acceptance extends ChannelInboundHandlerAdapter {
        private final Duration patience;

        Acceptance(Duration patience) {
            this.patience = patience;
        }

        @Override
        public void channelRead(ChannelHandlerContext ctx, Object accepted) {
            ((Channel) accepted).pipeline().addLast("guard", new RequestGuard(patience));
            ctx.fireChannelRead(accepted);
        }
    }

    private record Guarded(io.vertx.core.spi.transport.Transport real, Duration patience)
            implements
                io.vertx.core.spi.transport.Transport {

        @Override
        public void configure(TcpConfig config, boolean domainSocket, ServerBootstrap bootstrap) {
            real.configure(config, domainSocket, bootstrap);
            bootstrap.handler(new Acceptance(patience));
        }

        @Override
        public void configure(TcpConfig config, boolean domainSocket, Bootstrap bootstrap) {
            real.configure(config, domainSocket, bootstrap);
        }

        @Override
        public void configure(DatagramChannel channel, DatagramSocketOptions options) {
            real.configure(channel, options);
        }

        @Override
        public boolean supportsDomainSockets() {
            return real.supportsDomainSockets();
        }

        @Override
        public boolean supportFileRegion() {
            return real.supportFileRegion();
        }

        @Override
        public IoHandlerFactory ioHandlerFactory() {
            return real.ioHandlerFactory();
        }

        @Override
        public java.net.SocketAddress convert(io.vertx.core.net.SocketAddress address) {
            return real.convert(address);
        }

        @Override
        public io.vertx.core.net.SocketAddress convert(java.net.SocketAddress address) {
            return real.convert(address);
        }

        @Override
        public DatagramChannel datagramChannel(InternetProtocolFamily family) {
            return real.datagramChannel(family);
        }

        @Override
        public ChannelFactory<? extends DatagramChannel> datagramChannelFactory() {
            return real.datagramChannelFactory();
        }

        @Override
        public ChannelFactory<? extends Channel> channelFactory(boolean domainSocket) {
            return real.channelFactory(domainSocket);
        }

        @Override
        public ChannelFactory<? extends ServerChannel> serverChannelFactory(boolean domainSocket) {
            return real.serverChannelFactory(domainSocket);
        }
    }
}
