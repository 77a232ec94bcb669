package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Reading and writing JSON and YAML; malformed input is a 400 that says where. */
final class Json {
    private static final Pattern DUPLICATE = Pattern.compile("Duplicate field '([^']*)'");
    private static final Pattern CLASS_NAME = Pattern.compile("\\b(?:[a-z]+\\.){2,}[A-Z]\\w*:?\\s*");
    static final JsonMapper MAPPER = JsonMapper.builder().build();

    private Json() {}

    static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    /** Parses a request body that must be one object. */
    static ObjectNode parseObject(byte[] body, boolean yaml) {
        if (parse(body, yaml) instanceof ObjectNode object) {
            return object;
        }
        throw ApiException.badRequest("the request body must be one JSON or YAML object");
    }

    static JsonNode parse(byte[] body, boolean yaml) {
        try {
            return (yaml ? new YAMLMapper() : MAPPER).readTree(body);
        } catch (JsonProcessingException e) {
            throw ApiException.badRequest("error decoding the request body: "
                    + CLASS_NAME.matcher(e.getOriginalMessage()).replaceAll("") + location(e));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The first field that one object has twice; of those, Jackson keeps the last. */
    static Optional<String> duplicateField(byte[] json) {
        try (JsonParser parser = MAPPER.createParser(json)) {
            parser.enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);
            while (parser.nextToken() != null) {
                // to the end
            }
            return Optional.empty();
        } catch (JsonProcessingException e) {
            Matcher duplicate = DUPLICATE.matcher(e.getOriginalMessage());
            return duplicate.find() ? Optional.of(duplicate.group(1)) : Optional.empty();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All documents of a YAML stream, empty ones left out. */
    static List<ObjectNode> parseYamlDocuments(String yaml) {
        try (var documents = new YAMLMapper().readerFor(JsonNode.class).<JsonNode>readValues(yaml)) {
            List<ObjectNode> found = new ArrayList<>();
            while (documents.hasNext()) {
                if (documents.next() instanceof ObjectNode object) {
                    found.add(object);
                }
            }
            return found;
        } catch (IOException e) {
            throw ApiException.badRequest("error decoding YAML: " + e.getMessage());
        }
    }

    static byte[] bytes(JsonNode node) {
        try {
            return MAPPER.writeValueAsBytes(node);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Stream<String> strings(JsonNode array) {
        return array.valueStream().map(JsonNode::asText);
    }

    private static String location(JsonProcessingException e) {
        return e.getLocation() == null
                ? ""
                : " (line " + e.getLocation().getLineNr() + ", column " + e.getLocation().getColumnNr() + ")";
    }
}
