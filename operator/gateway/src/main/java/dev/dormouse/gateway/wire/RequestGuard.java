package dev.dormouse.gateway.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.AttributeKey;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Stands before the HTTP decoder of one connection and lets only requests pass that every parser reads alike. In place of
 * a malformed head it passes a request that says nothing, so that an answer comes in its turn; a malformed body ends the
 * connection. Nothing that follows is read as a request, and a connection is closed so that its client can still read
 * the answer. Steps aside when the connection becomes HTTP/2 or a WebSocket.
 */
@SuppressWarnings("FutureReturnValueIgnored") // Netty's: a failed write or close closes the channel, which all are told.
public final class RequestGuard extends ChannelDuplexHandler {
    private static final AttributeKey<String> VIOLATION = AttributeKey.valueOf(RequestGuard.class, "violation");
    private static final byte[] PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1);
    private static final byte[] STAND_IN = "GET /malformed HTTP/1.1\r\nHost: malformed\r\nConnection: close\r\n\r\n"
            .getBytes(StandardCharsets.ISO_8859_1);
    private static final String DECODER = "httpDecoder";
    /** How long a client may take to read the answer before the connection is reset under it. */
    private static final long LINGER_MILLIS = 500;

    private final long patienceMillis;
    private final RequestSyntax syntax = new RequestSyntax();
    private @Nullable ScheduledFuture<?> tooLate;
    private @Nullable ByteBuf unfinished;
    private boolean begun;
    private boolean passing;
    private boolean answering;
    private boolean closing;

    /** @param patience a connection on which no first head has come to its end by then is closed */
    public RequestGuard(Duration patience) {
        this.patienceMillis = patience.toMillis();
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        tooLate = ctx.executor().schedule(() -> ctx.channel().close(), patienceMillis, TimeUnit.MILLISECONDS);
        ctx.fireChannelActive();
    }

    private void begun() {
        begun = true;
        if (tooLate != null) {
            tooLate.cancel(false);
            tooLate = null;
        }
    }

    /** What was wrong with what came on this connection. */
    public static Optional<String> violation(Channel channel) {
        return Optional.ofNullable(channel.attr(VIOLATION).get());
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        if (passing || !(message instanceof ByteBuf piece)) {
            ctx.fireChannelRead(message);
        } else if (syntax.violation() != null) {
            piece.release();
        } else {
            read(ctx, joined(piece));
        }
    }

    private ByteBuf joined(ByteBuf piece) {
        ByteBuf before = unfinished;
        if (before == null) {
            return piece;
        }
        unfinished = null;
        before.writeBytes(piece);
        piece.release();
        return before;
    }

    private void read(ChannelHandlerContext ctx, ByteBuf in) {
        if (syntax.betweenRequests() && isAnotherProtocol(ctx, in)) {
            if (passing) {
                begun();
                ctx.pipeline().remove(this);
                ctx.fireChannelRead(in);
            } else {
                keep(ctx, in);
            }
            return;
        }
        int safe = syntax.advance(in);
        if (safe == in.writerIndex()) {
            pass(ctx, in);
            return;
        }
        if (safe > in.readerIndex()) {
            pass(ctx, in.readRetainedSlice(safe - in.readerIndex()));
        }
        String wrong = syntax.violation();
        if (wrong == null) {
            keep(ctx, in);
        } else {
            in.release();
            refuse(ctx, wrong);
        }
    }

    private void pass(ChannelHandlerContext ctx, ByteBuf in) {
        begun();
        answering = false;
        ctx.fireChannelRead(in);
    }

    /** Into a buffer of its own: what is kept must not keep the whole read buffer, and must have room for more. */
    private void keep(ChannelHandlerContext ctx, ByteBuf in) {
        ByteBuf own = ctx.alloc().heapBuffer(Math.max(512, in.readableBytes() * 2));
        own.writeBytes(in);
        in.release();
        unfinished = own;
    }

    /** Whether this is no HTTP/1 any more, or cannot be told yet; then {@link #passing} says which. */
    private boolean isAnotherProtocol(ChannelHandlerContext ctx, ByteBuf in) {
        if (begun) {
            passing = ctx.pipeline().get(DECODER) == null;
            return passing;
        }
        int length = Math.min(in.readableBytes(), PREFACE.length);
        for (int i = 0; i < length; i++) {
            if (in.getByte(in.readerIndex() + i) != PREFACE[i]) {
                return false;
            }
        }
        passing = length == PREFACE.length;
        return true;
    }

    private void refuse(ChannelHandlerContext ctx, String wrong) {
        ctx.channel().attr(VIOLATION).set(wrong);
        ctx.channel().config().setAutoRead(true);
        if (syntax.inHead()) {
            answering = true;
            ctx.fireChannelRead(Unpooled.wrappedBuffer(STAND_IN));
        } else {
            ctx.channel().close();
        }
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
        // Closing flushes an empty buffer first.
        answering |= !(message instanceof ByteBuf bytes) || bytes.isReadable();
        ctx.write(message, promise);
    }

    /** A client that still sends would be reset, and lose the answer: its bytes are read and dropped for a while. */
    @Override
    public void close(ChannelHandlerContext ctx, ChannelPromise promise) {
        String wrong = syntax.violation();
        if (wrong == null || closing || !ctx.channel().isActive()
                || !(ctx.channel() instanceof DuplexChannel channel)) {
            ctx.close(promise);
            return;
        }
        closing = true;
        ctx.writeAndFlush(answering ? Unpooled.EMPTY_BUFFER : answer(wrong))
                .addListener(sent -> channel.shutdownOutput());
        ctx.executor().schedule(() -> ctx.close(promise), LINGER_MILLIS, TimeUnit.MILLISECONDS);
    }

    private static ByteBuf answer(String wrong) {
        String body = "{\"error\":{\"message\":\"The request is malformed: " + wrong.replace("\"", "\\\"")
                + ".\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"malformed_request\"},\"src\":\"dormouse\"}\n";
        return Unpooled.copiedBuffer("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length() + "\r\nConnection: close\r\n\r\n" + body, StandardCharsets.ISO_8859_1);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext ctx) {
        begun();
        ByteBuf kept = unfinished;
        if (kept != null) {
            unfinished = null;
            kept.release();
        }
    }
}
