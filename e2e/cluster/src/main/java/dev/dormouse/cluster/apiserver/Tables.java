package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Renders objects as {@code meta.k8s.io/v1 Table}, which is what {@code kubectl get} shows. */
final class Tables {
    private final Clock clock;

    Tables(Clock clock) {
        this.clock = clock;
    }

    /** @param includeObject {@code None}, {@code Metadata} (the default) or {@code Object} */
    ObjectNode render(ResourceType type, List<ApiObject> objects, String includeObject) {
        Instant now = clock.instant();
        List<Column> columns = new ArrayList<>(List.of(Column.NAME));
        if (type.is("events")) {
            columns.clear(); // their names say nothing
        }
        columns.addAll(type.columns());
        ObjectNode table = Json.object().put("kind", "Table").put("apiVersion", "meta.k8s.io/v1");
        table.putObject("metadata");
        ArrayNode definitions = table.putArray("columnDefinitions");
        for (Column column : columns) {
            boolean date = column.type().equals("date");
            definitions.addObject()
                    .put("name", column.name())
                    .put("type", date && !type.custom() ? "string" : column.type())
                    .put("format", column == Column.NAME ? "name" : "")
                    .put("description", "")
                    .put("priority", column.priority());
        }
        ArrayNode rows = table.putArray("rows");
        for (ApiObject object : objects) {
            ObjectNode row = rows.addObject();
            ArrayNode cells = row.putArray("cells");
            columns.forEach(column -> cells.add(column.cell().of(object, now)));
            if (includeObject.equals("Object")) {
                row.set("object", object.json());
            } else if (!includeObject.equals("None")) {
                ObjectNode partial = row.putObject("object")
                        .put("kind", "PartialObjectMetadata")
                        .put("apiVersion",
                                "meta.k8s.io/v1");
                partial.set("metadata", object.metadata());
            }
        }
        return table;
    }
}
