package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.http.ErrorBody.Problem;
import dev.dormouse.gateway.route.ModelPeek;
import dev.dormouse.gateway.route.RouteTable.Match;
import dev.dormouse.gateway.route.ServedModel;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** What a client meets: finds the model a request is for and hands it to the {@link DataPlane}. */
public final class PublicServer {
    private static final String BY_PATH = "/models/";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final DataPlane plane;
    private final int peekBytes;

    public PublicServer(DataPlane plane, int peekBytes) {
        this.plane = plane;
        this.peekBytes = peekBytes;
    }

    /** Handles one request, on the event loop. */
    public void handle(HttpServerRequest request) {
        String path = request.path() == null ? "" : request.path();
        if (path.equals("/v1/models") && request.method() == HttpMethod.GET) {
            request.response().putHeader("Content-Type", "application/json").end(models());
        } else if (plane.draining()) {
            request.response().putHeader("Connection", "close");
            refuse(request, new Problem(503, "server_error", "shutting_down", "this gateway is ending; try again", 1));
        } else if (path.startsWith(BY_PATH)) {
            byPath(request, path);
        } else if (request.method() == HttpMethod.POST) {
            byBody(request);
        } else {
            refuse(request, new Problem(404, "invalid_request_error", "not_found", request.method() + " " + path
                    + " is not served here: POST to /v1/… with a model in the body, or /models/<namespace>/<name>/…",
                    0));
        }
    }

    private String models() {
        List<Map<String, Object>> data = new ArrayList<>();
        for (ServedModel model : plane.routes().all()) {
            data.add(Map.of("id", plane.routes().nameFor(model), "object", "model", "created",
                    model.createdAt().getEpochSecond(), "owned_by", model.key().namespace()));
        }
        try {
            return JSON.writeValueAsString(Map.of("object", "list", "data", data));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("strings and numbers are JSON", e);
        }
    }

    private void byPath(HttpServerRequest request, String path) {
        String[] parts = path.substring(BY_PATH.length()).split("/", 3);
        Optional<ServedModel> model = parts.length < 2
                ? Optional.empty()
                : plane.routes().get(new ModelKey(parts[0], parts[1]));
        if (model.isEmpty()) {
            refuse(request, Problem.unknown(path.substring(BY_PATH.length())));
            return;
        }
        String query = request.query() == null ? "" : "?" + request.query();
        String uri = "/" + (parts.length == 3 ? parts[2] : "") + query;
        request.pause();
        admit(request, model.get(), uri, Buffer.buffer(), false);
    }

    private void byBody(HttpServerRequest request) {
        new BodyPeek(request).start();
    }

    /** Reads as much of one body as it takes to find the model. */
    private final class BodyPeek {
        private final HttpServerRequest request;
        private final ModelPeek peek = new ModelPeek();
        private final Buffer head = Buffer.buffer();
        private boolean decided;
        private Optional<String> name = Optional.empty();

        BodyPeek(HttpServerRequest request) {
            this.request = request;
        }

        void start() {
            request.exceptionHandler(clientGone -> decided = true);
            request.handler(this::chunk);
            request.endHandler(end -> end());
        }

        private void chunk(Buffer chunk) {
            if (decided) {
                return;
            }
            head.appendBuffer(chunk);
            try {
                name = peek.feed(chunk.getBytes());
                if (name.isPresent()) {
                    decide(name.get(), false);
                } else if (head.length() > peekBytes) {
                    problem(Problem.badRequest("no model within the first " + peekBytes
                            + " bytes of the body: name it earlier, or use /models/<namespace>/<name>/…"));
                }
            } catch (ModelPeek.MalformedException e) {
                problem(Problem.badRequest(String.valueOf(e.getMessage())));
            }
        }

        private void end() {
            if (!decided) {
                problem(Problem.badRequest(String.valueOf(peek.ended().getMessage())));
            }
        }

        private void problem(Problem problem) {
            decided = true;
            refuse(request, problem);
        }

        private void decide(String wanted, boolean bodyRead) {
            decided = true;
            switch (plane.routes().find(wanted)) {
                case Match.Found found -> {
                    request.pause();
                    admit(request, found.model(), request.uri(), head, bodyRead);
                }
                case Match.Unknown unknown -> refuse(request, Problem.unknown(wanted));
                case Match.Ambiguous ambiguous -> refuse(request, Problem.badRequest("several namespaces have a model "
                        + wanted + "; say which: " + ambiguous.candidates()
                                .stream()
                                .map(key -> key.namespace() + "/" + wanted)
                                .collect(Collectors.joining(", "))));
            }
        }
    }

    private void admit(HttpServerRequest request, ServedModel model, String uri, Buffer head, boolean bodyRead) {
        request.handler(null);
        request.endHandler(null);
        ClientRequest admitted = new ClientRequest(plane.nextId(), request, model, uri, head, bodyRead, plane.now());
        request.exceptionHandler(gone -> plane.clientGone(admitted));
        request.response().exceptionHandler(gone -> plane.clientGone(admitted));
        request.response().closeHandler(closed -> plane.clientGone(admitted));
        plane.admit(admitted);
    }

    private static void refuse(HttpServerRequest request, Problem problem) {
        ErrorBody.send(request.response(), problem);
        request.resume();
    }
}
