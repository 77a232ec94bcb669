package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Random;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever is sent is answered at once, with a Status of the 4xx codes and no word of the server's inside. */
@ExtendWith(TestCluster.Extension.class)
class MalformedInputIT {
    private static final String MAP = "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"a\"}}";
    private static final byte[] PROTOBUF_MAGIC = {'k', '8', 's', 0};

    private final TestCluster cluster;
    private final Api api;
    private final String namespace;
    private final String maps;

    MalformedInputIT(TestCluster cluster) {
        this.cluster = cluster;
        this.api = cluster.api();
        this.namespace = cluster.newNamespace();
        this.maps = "/api/v1/namespaces/" + namespace + "/configmaps";
    }

    private static void assertRefused(Answer answer) {
        assertThat(answer.code()).as(answer.toString()).isBetween(400, 499);
        assertThat(answer.at("/kind").asText()).as(answer.toString()).isEqualTo("Status");
        assertThat(answer.at("/status").asText()).isEqualTo("Failure");
        assertThat(answer.at("/code").asInt()).isEqualTo(answer.code());
        assertThat(answer.at("/message").asText()).isNotBlank();
        assertThat(answer.text()).doesNotContain("\\tat ", "Exception", "java.", "StackOverflow", "fasterxml",
                "org.yaml");
    }

    private Answer post(String contentType, byte[] body) {
        return api.send("POST", maps, Map.of("Content-Type", contentType), body);
    }

    private Answer post(String contentType, String body) {
        return post(contentType, body.getBytes(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{", "{\"apiVersion\"", "[]", "\"text\"", "null", "17", "true", "{} {}", "{\"a\": 1e999}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\", \"metadata\": 7}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\", \"metadata\": []}",
            "{\"kind\": 5, \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"a\"}}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": [], \"metadata\": {\"name\": \"a\"}}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": {}}}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"a\", \"labels\": []}}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"a\", \"labels\": {\"a\": 1}}}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"a\", \"ownerReferences\": [5]}}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"a\", \"finalizers\": \"x\"}}",
            "{\"kind\": \"ConfigMap\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"a\"}, \"data\": []}",
            "\u0000",
            "{'kind': 'ConfigMap'}", "// comment", "<xml/>"})
    void jsonThatIsNoObjectOfTheKindIsRefused(String body) {
        assertRefused(post(Api.JSON, body));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a: [", "- list", "text", "a: &a [*a]", "? ? ?", "a: b: c", "\tkind: ConfigMap",
            "kind: !!java.net.URL [\"http://127.0.0.1\"]", "%YAML 9.9\n---\na: b", "a: 1\n---\nb: 2"})
    void yamlThatIsNoObjectOfTheKindIsRefused(String body) {
        assertRefused(post(Api.YAML, body));
    }

    @Test
    void aliasesDoNotGrowIntoABomb() {
        StringBuilder bomb = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for (int i = 1; i < 12; i++) {
            bomb.append("a%d: &a%d [%s]\n".formatted(i, i, "*a%d,".formatted(i - 1).repeat(9)));
        }
        assertRefused(post(Api.YAML, bomb.toString()));
        assertRefused(
                api.send("PATCH", maps + "/a?fieldManager=me", Map.of("Content-Type", Api.APPLY), bomb.toString()));
    }

    @Test
    void aBodyThatIsNotThereIsRefused() {
        assertRefused(post(Api.JSON, ""));
        assertRefused(post(Api.YAML, ""));
        assertRefused(post(Api.PROTOBUF, ""));
        assertRefused(api.send("PUT", maps + "/a", Map.of("Content-Type", Api.JSON), ""));
    }

    @Test
    void brokenUtf8IsNotStored() {
        byte[] body = MAP.replace("}}", "}, \"data\": {\"k\": \"?\"}}").getBytes(StandardCharsets.ISO_8859_1);
        for (int i = 0; i < body.length; i++) {
            body[i] = body[i] == '?' ? (byte) 0xC3 : body[i];
        }
        Answer answer = post(Api.JSON, body);
        if (answer.code() == 201) { // Go's decoder puts a replacement character
            assertThat(answer.at("/data/k").asText()).isEqualTo("\uFFFD");
        } else {
            assertRefused(answer);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, 4, 5, 17, 100, 4096})
    void noiseThatClaimsToBeProtobufIsRefused(int length) {
        byte[] noise = new byte[length];
        new Random(length).nextBytes(noise);
        byte[] withMagic = new byte[4 + length];
        System.arraycopy(PROTOBUF_MAGIC, 0, withMagic, 0, 4);
        System.arraycopy(noise, 0, withMagic, 4, length);

        assertRefused(post(Api.PROTOBUF, noise));
        assertRefused(post(Api.PROTOBUF, withMagic));
        assertRefused(post(Api.PROTOBUF, MAP));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"a\":", "["})
    void deepNestingIsRefusedWithoutExhaustingTheStack(String opening) {
        String deep = opening.repeat(100_000);
        assertRefused(post(Api.JSON, deep));
        assertRefused(post(Api.YAML, deep));
        assertRefused(api.patch(maps + "/a", Api.MERGE, deep));
    }

    @Test
    void deepNestingInAFieldForAnythingIsRefusedOrStored() {
        cluster.assumeWidgets();
        String deep = "{\"a\":".repeat(5_000) + "1" + "}".repeat(5_000);
        Answer answer = api.post(Widgets.url(namespace), Widgets.widget("a", "\"size\": 1, \"anything\": " + deep));
        if (answer.code() != 201) {
            assertRefused(answer);
        }
        assertThat(api.get(Widgets.url(namespace)).code()).isEqualTo(200);
    }

    @Test
    void aHugeBodyIsTooLarge() {
        byte[] huge = ("{\"data\": {\"k\": \"" + "x".repeat(4 * 1024 * 1024) + "\"}}").getBytes(StandardCharsets.UTF_8);
        for (String type : new String[]{Api.JSON, Api.YAML, Api.PROTOBUF}) {
            Answer answer = post(type, huge);
            assertRefused(answer);
            assertThat(answer.code()).isEqualTo(413);
            assertThat(answer.at("/reason").asText()).isEqualTo("RequestEntityTooLarge");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"text/plain", "application/xml", "application/x-www-form-urlencoded", "garbage",
            "application/json-patch+json", "multipart/form-data; boundary=x"})
    void bodiesOfOtherTypesAreRefused(String type) {
        Answer answer = post(type, MAP);
        assertRefused(answer);
        assertThat(answer.code()).isEqualTo(415);
        assertThat(answer.at("/reason").asText()).isEqualTo("UnsupportedMediaType");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                                            application/json-patch+json | {}
                                            application/json-patch+json | [1]
                                            application/json-patch+json | [{}]
                                            application/json-patch+json | [{"op": "explode", "path": "/data"}]
                                            application/json-patch+json | [{"op": "add", "path": "data", "value": 1}]
                                            application/json-patch+json | [{"op": "add"}]
                                            application/json-patch+json | [{"op": "replace", "path": "", "value": 5}]
                                            application/json-patch+json | [{"op": "remove", "path": "/metadata/name"}]
                                            application/json-patch+json | [{"op": "remove", "path": "/metadata"}]
                                            application/json-patch+json | [{"op": "add", "path": "/data/99999999999", "value": {}}]
                                            application/merge-patch+json | []
                                            application/merge-patch+json | 5
                                            application/merge-patch+json | "text"
                                            application/merge-patch+json | {
                                            application/merge-patch+json | {"metadata": []}
                                            application/merge-patch+json | {"data": "text"}
                                            application/strategic-merge-patch+json | []
                                            application/strategic-merge-patch+json | {"metadata": {"finalizers": 5}}
                                            application/apply-patch+yaml | []
                                            application/apply-patch+yaml | 5
                                            application/apply-patch+yaml | a: [
                                            application/apply-patch+yaml | {}
                                            application/apply-patch+yaml | {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
                                            application/apply-patch+yaml | {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
                                            text/plain | {}
                                            """)
    void patchesThatMakeNoSenseAreRefusedAndChangeNothing(String type, String body) {
        JsonNode before = api.post(maps, MAP.replace("}}", "}, \"data\": {\"k\": \"v\"}}")).body();
        String query = type.equals(Api.APPLY) ? "?fieldManager=me" : "";

        assertRefused(api.patch(maps + "/a" + query, type, body));
        assertThat(api.get(maps + "/a").body()).isEqualTo(before);
    }

    @Test
    void aJsonPatchHasALimitedNumberOfSteps() {
        api.post(maps, MAP);
        String steps = "{\"op\": \"test\", \"path\": \"/kind\", \"value\": \"ConfigMap\"},".repeat(10_001);
        Answer answer = api.patch(maps + "/a", Api.JSON_PATCH, "[" + steps.substring(0, steps.length() - 1) + "]");
        assertRefused(answer);
        assertThat(answer.code()).isEqualTo(413);
    }

    @ParameterizedTest
    @ValueSource(strings = {"limit=many", "timeoutSeconds=soon&watch=true", "labelSelector=%3D%3D%3D",
            "labelSelector=a+in+%28b", "fieldSelector=metadata.name", "fieldSelector=%3D",
            "resourceVersionMatch=Exact&watch=true", "continue=%00"})
    void questionsThatMakeNoSenseAreRefused(String query) {
        assertRefused(api.get(maps + "?" + query));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"gracePeriodSeconds\": \"soon\"}", "{\"preconditions\": 5}", "[]", "{",
            "{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}"})
    void deletionsThatMakeNoSenseAreRefusedAndDeleteNothing(String options) {
        api.post(maps, MAP);
        assertRefused(api.send("DELETE", maps + "/a", Map.of("Content-Type", Api.JSON), options));
        assertThat(api.get(maps + "/a").code()).isEqualTo(200);
    }

    @Test
    void namesThatNobodyCanHaveAreNotFoundOrRefused() {
        for (String name : new String[]{"a".repeat(300), "%2e%2e", "a%2Fb", "%00", "a%20b", "%F0%9F%90%AD"}) {
            assertThat(api.get(maps + "/" + name).code()).as(name).isBetween(400, 499);
        }
    }

    /** Below HTTP clients that know how to behave: whatever the bytes, the connection ends or is answered. */
    @ParameterizedTest
    @ValueSource(strings = {"\r\n\r\n\r\n", "GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
            "GET /api/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            "POST /api/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
            "POST /api/v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET http://[::1/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"})
    void bytesThatAreNoRequestEndTheConnectionAndNothingElse(String bytes) throws Exception {
        try (Socket socket = tls()) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(bytes.getBytes(StandardCharsets.ISO_8859_1));
            socket.getOutputStream().flush();
            socket.shutdownOutput();
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(answer).doesNotContain("\tat ", "dormouse").doesNotStartWith("HTTP/1.1 2");
        } catch (javax.net.ssl.SSLException | java.net.SocketException e) {
            assertThat(e).as("the server closed").isNotNull();
        }
        assertThat(api.get("/healthz").code()).isEqualTo(200);
    }

    private Socket tls() throws Exception {
        SSLContext trustAll = SSLContext.getInstance("TLS");
        trustAll.init(null, new javax.net.ssl.TrustManager[]{new TrustEverybody()}, null);
        SSLSocket socket = (SSLSocket) trustAll.getSocketFactory()
                .createSocket(api.server().getHost(), api.server().getPort());
        try {
            socket.startHandshake();
        } catch (IOException e) {
            socket.close();
            throw e;
        }
        return socket;
    }

    /** These sockets send no secret and believe no answer. */
    private static final class TrustEverybody extends javax.net.ssl.X509ExtendedTrustManager {
        @Override
        public void checkClientTrusted(java.security.cert.X509Certificate[] chain, String type) {}

        @Override
        public void checkServerTrusted(java.security.cert.X509Certificate[] chain, String type) {}

        @Override
        public void checkClientTrusted(java.security.cert.X509Certificate[] chain, String type, Socket socket) {}

        @Override
        public void checkServerTrusted(java.security.cert.X509Certificate[] chain, String type, Socket socket) {}

        @Override
        public void checkClientTrusted(java.security.cert.X509Certificate[] chain, String type,
                javax.net.ssl.SSLEngine engine) {}

        @Override
        public void checkServerTrusted(java.security.cert.X509Certificate[] chain, String type,
                javax.net.ssl.SSLEngine engine) {}

        @Override
        public java.security.cert.X509Certificate[] getAcceptedIssuers() {
            return new java.security.cert.X509Certificate[0];
        }
    }
}
