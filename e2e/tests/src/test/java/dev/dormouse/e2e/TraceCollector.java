package dev.dormouse.e2e;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;

/** Takes spans by OTLP over HTTP, as a collector does. Fields by number: opentelemetry/proto/trace/v1/trace.proto. */
final class TraceCollector implements AutoCloseable {
    private static final int RESOURCE_SPANS = 1;
    private static final int RESOURCE = 1;
    private static final int SCOPE_SPANS = 2;
    private static final int SPANS = 2;
    private static final int TRACE_ID = 1;
    private static final int SPAN_ID = 2;
    private static final int PARENT_ID = 4;
    private static final int NAME = 5;

    /** @param service the attribute {@code service.name} of its resource */
    record Span(String service, String name, String trace, String id, String parent) {}

    private final List<Span> spans = new CopyOnWriteArrayList<>();
    private final HttpServer server;

    TraceCollector() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 10);
        server.createContext("/v1/traces", exchange -> {
            byte[] request = exchange.getRequestBody().readAllBytes();
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
            read(request);
        });
        server.start();
    }

    String endpoint() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    List<Span> spans(String trace) {
        return spans.stream().filter(span -> span.trace().equals(trace)).toList();
    }

    private void read(byte[] request) throws InvalidProtocolBufferException {
        messages(UnknownFieldSet.parseFrom(request), RESOURCE_SPANS).forEach(resource -> {
            String service = messages(resource, RESOURCE).flatMap(attributes -> messages(attributes, 1))
                    .filter(attribute -> text(attribute, 1).equals("service.name"))
                    .flatMap(attribute -> messages(attribute, 2))
                    .map(value -> text(value, 1))
                    .findFirst()
                    .orElseThrow();
            messages(resource, SCOPE_SPANS).flatMap(scope -> messages(scope, SPANS))
                    .forEach(span -> spans.add(new Span(service, text(span, NAME), hex(span, TRACE_ID),
                            hex(span, SPAN_ID), hex(span, PARENT_ID))));
        });
    }

    private static Stream<UnknownFieldSet> messages(UnknownFieldSet in, int field) {
        return in.getField(field).getLengthDelimitedList().stream().map(bytes -> {
            try {
                return UnknownFieldSet.parseFrom(bytes);
            } catch (InvalidProtocolBufferException e) {
                throw new IllegalArgumentException(e);
            }
        });
    }

    private static ByteString bytes(UnknownFieldSet in, int field) {
        List<ByteString> values = in.getField(field).getLengthDelimitedList();
        return values.isEmpty() ? ByteString.EMPTY : values.getFirst();
    }

    private static String text(UnknownFieldSet in, int field) {
        return bytes(in, field).toStringUtf8();
    }

    private static String hex(UnknownFieldSet in, int field) {
        return HexFormat.of().formatHex(bytes(in, field).toByteArray());
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
