package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The words of a gateway's admin port are those of {@code AdminHandler}; the story with a real one is SleepAndWakeIT. */
class GatewayCommandTest {
    private static final Map<String, String> ANSWERS = Map.of("GET /admin/models",
            "[{\"model\":\"default/m\",\"replicas\":1,\"serving\":2,\"waiting\":3,\"limit\":10,\"phase\":\"Ready\"}]",
            "GET /admin/requests",
            "[{\"id\":7,\"model\":\"default/m\",\"method\":\"POST\",\"path\":\"/v1/embeddings\",\"client\":\"10.0.0.1\",\"ageMillis\":1500,\"bytes\":0,\"state\":\"Waiting\",\"position\":2}]",
            "GET /admin/traffic", "{\"totalRequests\":12}", "DELETE /admin/requests/7", "{\"cancelled\":true}",
            "POST /admin/models/default/m/sleep?graceSeconds=5", "{\"asleep\":[\"default/m\"]}",
            "POST /admin/sleep?graceSeconds=30", "{}", "POST /admin/drain", "{\"drained\":true}");

    private final List<String> asked = new CopyOnWriteArrayList<>();
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    @SuppressWarnings("NullAway.Init")
    private HttpServer gateway;

    @BeforeEach
    void start() throws IOException {
        gateway = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 10);
        gateway.createContext("/", exchange -> {
            String request = exchange.getRequestMethod() + " " + exchange.getRequestURI();
            asked.add(request);
            byte[] answer = ANSWERS.getOrDefault(request, "{\"cancelled\":false}").getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(ANSWERS.containsKey(request) ? 200 : 404, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        gateway.start();
    }

    @AfterEach
    void stop() {
        gateway.stop(0);
    }

    private String url() {
        return "http://127.0.0.1:" + gateway.getAddress().getPort();
    }

    private int run(String... arguments) {
        return new CommandLine(new GatewayCommand()).setExecutionExceptionHandler(Dormouse::report)
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err, true))
                .execute(Stream.concat(Stream.of("--url", url()), Stream.of(arguments))
                        .toArray(String[]::new));
    }

    @Test
    @DisplayName("BL32, BL38: models, requests with their places, traffic")
    void lists() {
        assertThat(run("models") + run("requests") + run("traffic")).as(err.toString()).isZero();

        assertThat(out.toString().lines().map(line -> line.replaceAll(" +", " ")))
                .contains("default/m 1 2 3 10 Ready", "7 default/m Waiting 2 1.5 s 10.0.0.1 POST /v1/embeddings",
                        " \"totalRequests\" : 12");
    }

    @Test
    @DisplayName("BL32, BL38: one request is ended, a model or all put to sleep, a gateway drained")
    void orders() {
        assertThat(run("cancel", "7") + run("sleep", "default/m", "--grace", "5") + run("sleep") + run("drain"))
                .as(err.toString())
                .isZero();

        assertThat(asked).containsExactly("DELETE /admin/requests/7",
                "POST /admin/models/default/m/sleep?graceSeconds=5", "POST /admin/sleep?graceSeconds=30",
                "POST /admin/drain");
        assertThat(out.toString()).contains("request 7 is ended", "asleep: default/m", "nothing was awake",
                "the gateway is empty");
    }

    @Test
    @DisplayName("What does not work is said: no such request, several gateways where one is meant, a name without a namespace, nobody there")
    void wrong() {
        assertThat(run("cancel", "8")).isEqualTo(1);
        assertThat(run("--url", "http://127.0.0.1:1", "cancel", "7")).isEqualTo(2);
        assertThat(run("sleep", "m")).isEqualTo(2);
        gateway.stop(0);
        assertThat(run("models")).isEqualTo(1);

        assertThat(err.toString()).contains("dormouse: the gateway answered 404: {\"cancelled\":false}",
                "ids are each gateway's own: name one --url", "m: must be NAMESPACE/NAME",
                "dormouse: nobody answers at " + url());
    }
}
