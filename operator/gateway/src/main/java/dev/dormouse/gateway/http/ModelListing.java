package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.gateway.route.ModelRoute;
import io.vertx.core.http.HttpServerResponse;
import java.util.Map;

/** {@code GET /v1/models} (BL30): the models that a client may use, under the names by which it reaches them. */
final class ModelListing {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Dispatcher dispatcher;

    ModelListing(Dispatcher dispatcher) {
        this.dispatcher = dispatcher;
    }

    void all(Inbound in) {
        ArrayNode data = JSON.createArrayNode();
        dispatcher.routes()
                .listing()
                .filter(entry -> in.maySee(entry.getValue()))
                .forEach(entry -> data.add(entry(entry)));
        ObjectNode list = JSON.createObjectNode().put("object", "list");
        list.set("data", data);
        answer(in.request().response(), list);
    }

    /** Whether there is one of this name. */
    boolean one(Inbound in, String name) {
        return dispatcher.routes()
                .listing()
                .filter(entry -> in.maySee(entry.getValue()))
                .filter(entry -> entry.getKey().equals(name) || entry.getValue().key().toString().equals(name)
                        || entry.getValue().aliases().contains(name))
                .findFirst()
                .map(entry -> answer(in.request().response(), entry(entry)))
                .orElse(false);
    }

    private ObjectNode entry(Map.Entry<String, ModelRoute> model) {
        ObjectNode entry = JSON.createObjectNode()
                .put("id", model.getKey())
                .put("object", "model")
                .put("created", model.getValue().createdAt().getEpochSecond())
                .put("owned_by", model.getValue().key().namespace())
                .put("status", dispatcher.awake(model.getValue().key()) ? "loaded" : "unloaded");
        model.getValue().aliases().forEach(entry.withArray("aliases")::add);
        return entry;
    }

    private static boolean answer(HttpServerResponse response, ObjectNode json) {
        try {
            response.putHeader("Content-Type", "application/json")
                    .end(JSON.writeValueAsString(json))
                    .onFailure(gone -> {
                        // Whoever asked has left; nothing is owed to anybody.
                    });
            return true;
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of strings could not be written", e);
        }
    }
}
