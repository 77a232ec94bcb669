package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Parser;
import io.kubernetes.client.proto.Runtime.Unknown;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads request bodies of type {@code application/vnd.kubernetes.protobuf}, which kubectl's typed commands and Helm's
 * release secrets send: four bytes of magic, an envelope that names the kind, and the message. They become the JSON that the
 * rest of the server works on; answers are JSON, which every such client accepts too.
 *
 * @see <a href="https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding">Protobuf encoding</a>
 */
final class ProtobufBodies {
    private static final byte[] MAGIC = {'k', '8', 's', 0};
    /** The generated class that holds the messages of a group and version. */
    private static final Map<String, String> CLASSES = Map.ofEntries(Map.entry("v1", "V1"),
            Map.entry("apps/v1", "V1Apps"), Map.entry("authentication.k8s.io/v1", "V1Authentication"),
            Map.entry("authorization.k8s.io/v1", "V1Authorization"), Map.entry("autoscaling/v1", "V1Autoscaling"),
            Map.entry("batch/v1", "V1Batch"), Map.entry("networking.k8s.io/v1", "V1Networking"),
            Map.entry("policy/v1", "V1Policy"), Map.entry("rbac.authorization.k8s.io/v1", "V1Rbac"),
            Map.entry("scheduling.k8s.io/v1", "V1Scheduling"), Map.entry("storage.k8s.io/v1", "V1Storage"));
    /** Kinds of apimachinery, which come under the version of whatever they are about. */
    private static final Set<String> META = Set.of("DeleteOptions", "PatchOptions", "UpdateOptions", "CreateOptions");
    /** Embedded structs: fields of the enclosing object in JSON, a message of their own here. */
    private static final Set<String> INLINE = Set.of("volumeSource", "persistentVolumeSource", "handler",
            "localObjectReference", "ephemeralContainerCommon");
    /** Go writes every string that is not a pointer, and JSON leaves the empty ones out; here an empty one says something. */
    private static final Set<String> MEANT_WHEN_EMPTY = Set.of("storageClassName");

    private ProtobufBodies() {}

    /** @throws ApiException 400 for what is not such a message, 415 for a kind or a field that is not known here */
    static ObjectNode parse(byte[] body) {
        if (body.length < MAGIC.length || !Arrays.equals(body, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
            throw ApiException.badRequest("the protobuf body does not begin with the bytes 6b 38 73 00");
        }
        try {
            Unknown envelope = Unknown.parseFrom(
                    ByteString.copyFrom(body, MAGIC.length, body.length - MAGIC.length));
            String apiVersion = envelope.getTypeMeta().getApiVersion();
            String kind = envelope.getTypeMeta().getKind();
            Message message = parser(apiVersion, kind).parseFrom(envelope.getRaw());
            ObjectNode json = Json.object().put("apiVersion", apiVersion).put("kind", kind);
            copyFields(message, json);
            return json;
        } catch (InvalidProtocolBufferException e) {
            throw ApiException.badRequest("error decoding the protobuf body: " + e.getMessage());
        }
    }

    private static Parser<? extends Message> parser(String apiVersion, String kind) {
        String outer = META.contains(kind) ? "Meta" : CLASSES.get(apiVersion);
        try {
            if (outer != null && kind.matches("[A-Za-z]+")) {
                Class<?> model = Class.forName("io.kubernetes.client.proto." + outer + "$" + kind);
                if (model.getMethod("getDefaultInstance").invoke(null) instanceof Message prototype) {
                    return prototype.getParserForType();
                }
            }
        } catch (ReflectiveOperationException _) {
            // no such message: refused like an unknown group
        }
        throw ApiException.unsupportedMediaType("the embedded control plane does not know " + apiVersion + " " + kind
                + " in protobuf: send application/json (with kubectl: put it into a file and use kubectl apply -f)");
    }

    private static void copyFields(Message message, ObjectNode json) throws InvalidProtocolBufferException {
        if (!message.getUnknownFields().asMap().isEmpty()) {
            throw ApiException.unsupportedMediaType("the protobuf body has fields of "
                    + message.getDescriptorForType().getName() + " that are newer than this server, numbers "
                    + message.getUnknownFields().asMap().keySet() + ": send application/json");
        }
        for (var entry : message.getAllFields().entrySet()) {
            FieldDescriptor field = entry.getKey();
            String name = field.getName();
            if (field.isMapField()) {
                copyMap(json.putObject(name), (List<?>) entry.getValue(), field);
            } else if (field.isRepeated()) {
                ArrayNode list = json.putArray(name);
                for (Object item : (List<?>) entry.getValue()) {
                    list.add(json(item));
                }
            } else if (INLINE.contains(name) && entry.getValue() instanceof Message embedded) {
                copyFields(embedded, json);
            } else if (!isLeftOut(name, entry.getValue())) {
                json.set(name, json(entry.getValue()));
            }
        }
    }

    private static void copyMap(ObjectNode json, List<?> entries, FieldDescriptor field)
            throws InvalidProtocolBufferException {
        FieldDescriptor key = field.getMessageType().findFieldByName("key");
        FieldDescriptor value = field.getMessageType().findFieldByName("value");
        for (Object entry : entries) {
            Message pair = (Message) entry;
            json.set(pair.getField(key).toString(), json(pair.getField(value)));
        }
    }

    private static boolean isLeftOut(String name, Object value) {
        return switch (value) {
            case String text -> text.isEmpty() && !MEANT_WHEN_EMPTY.contains(name);
            case Message message when isTime(message) -> message.getAllFields().isEmpty();
            // A struct that is not a pointer: port 0 stands for "the same".
            case Message message when message.getDescriptorForType().getName().equals("IntOrString") ->
                name.equals("targetPort") && json(message, "intVal").asInt() == 0
                        && json(message, "strVal").asText().isEmpty();
            default -> false;
        };
    }

    private static JsonNode json(Object value) throws InvalidProtocolBufferException {
        return switch (value) {
            case Message message -> json(message);
            case ByteString bytes -> Json.MAPPER.getNodeFactory()
                    .textNode(Base64.getEncoder().encodeToString(bytes.toByteArray()));
            default -> Json.MAPPER.valueToTree(value);
        };
    }

    /** Types that Go marshals by hand become what they are in JSON. */
    private static JsonNode json(Message message) throws InvalidProtocolBufferException {
        if (isTime(message)) {
            Instant time = Instant.ofEpochSecond(json(message, "seconds").asLong(), json(message, "nanos").asInt());
            return Json.MAPPER.getNodeFactory().textNode(time.toString());
        }
        return switch (message.getDescriptorForType().getName()) {
            case "Quantity" -> json(message, "string");
            case "IntOrString" -> json(message, json(message, "type").asInt() == 0 ? "intVal" : "strVal");
            case "FieldsV1" -> Json.parse(bytes(message, "Raw"), false);
            case "RawExtension" -> Json.parse(bytes(message, "raw"), false);
            case "ExtraValue" -> {
                ObjectNode wrapped = Json.object();
                copyFields(message, wrapped);
                yield wrapped.withArrayProperty("items");
            }
            default -> {
                ObjectNode json = Json.object();
                copyFields(message, json);
                yield json;
            }
        };
    }

    private static boolean isTime(Message message) {
        String name = message.getDescriptorForType().getName();
        return name.equals("Time") || name.equals("MicroTime");
    }

    private static JsonNode json(Message message, String field) {
        return Json.MAPPER.valueToTree(message.getField(message.getDescriptorForType().findFieldByName(field)));
    }

    private static byte[] bytes(Message message, String field) {
        return ((ByteString) message.getField(message.getDescriptorForType().findFieldByName(field))).toByteArray();
    }
}
