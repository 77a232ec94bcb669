package dev.dormouse.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** What a gateway carries, and how it is told to carry less: its admin port, for people. */
@Command(name = "gateway", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", description = {
        "Look into running gateways, end requests, put models to sleep, by their admin port. In a cluster:",
        "  kubectl port-forward -n dormouse-system deploy/dormouse-gateway 8083"})
final class GatewayCommand implements Runnable {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Option(names = "--url", paramLabel = "URL", defaultValue = "${env:DORMOUSE_ADMIN:-http://127.0.0.1:8083}", description = "Admin port of a gateway. Repeatable: each tells of its own requests. Default: $DORMOUSE_ADMIN, or http://127.0.0.1:8083.")
    private List<URI> gateways = List.of();

    @Spec
    private picocli.CommandLine.Model.@Nullable CommandSpec spec;

    @Override
    public void run() {
        throw wrong("say what is to be done: models, requests, traffic, cancel, sleep or drain");
    }

    @Command(name = "models", mixinStandardHelpOptions = true, description = "What each model has and carries.")
    int models() throws IOException, InterruptedException {
        String row = "%-40s %9s %8s %8s %6s  %s%n";
        for (URI gateway : gateways) {
            JsonNode models = JSON.readTree(answer(gateway, "GET", "/admin/models"));
            heading(gateway);
            out().printf(row, "MODEL", "REPLICAS", "SERVING", "WAITING", "LIMIT", "PHASE");
            for (JsonNode model : models) {
                out().printf(row, text(model, "model"), text(model, "replicas"), text(model, "serving"),
                        text(model, "waiting"), text(model, "limit"), text(model, "phase"));
            }
        }
        out().flush();
        return 0;
    }

    @Command(name = "requests", mixinStandardHelpOptions = true, description = "Who waits in which place, and what runs where.")
    int requests() throws IOException, InterruptedException {
        String row = "%-8s %-40s %-8s %5s %8s  %-15s %s%n";
        for (URI gateway : gateways) {
            JsonNode requests = JSON.readTree(answer(gateway, "GET", "/admin/requests"));
            heading(gateway);
            out().printf(row, "ID", "MODEL", "STATE", "PLACE", "AGE", "CLIENT", "REQUEST");
            for (JsonNode request : requests) {
                out().printf(row, text(request, "id"), text(request, "model"), text(request, "state"),
                        text(request, "position"),
                        String.format(Locale.ROOT, "%.1f s", request.path("ageMillis").asLong() / 1e3),
                        text(request, "client"), text(request, "method") + " " + text(request, "path"));
            }
        }
        out().flush();
        return 0;
    }

    @Command(name = "traffic", mixinStandardHelpOptions = true, description = "Rates, times, tokens and serving patterns, as JSON.")
    int traffic() throws IOException, InterruptedException {
        for (URI gateway : gateways) {
            heading(gateway);
            out().println(JSON.readTree(answer(gateway, "GET", "/admin/traffic")).toPrettyString());
        }
        out().flush();
        return 0;
    }

    @Command(name = "cancel", mixinStandardHelpOptions = true, description = "End one request, wherever it is.")
    int cancel(@Parameters(paramLabel = "ID", description = "As requests lists it.") long id)
            throws IOException, InterruptedException {
        answer(only("ids are each gateway's own"), "DELETE", "/admin/requests/" + id);
        return said("request " + id + " is ended");
    }

    @Command(name = "sleep", mixinStandardHelpOptions = true, description = "Put a model to sleep, or all that are awake; returns when they sleep.")
    int sleep(
            @Parameters(paramLabel = "NAMESPACE/NAME", arity = "0..1", description = "Default: all that are awake.") @Nullable String model,
            @Option(names = "--grace", defaultValue = "30", paramLabel = "SECONDS", description = "What runs may finish for so long. Default: ${DEFAULT-VALUE}.") int grace)
            throws IOException, InterruptedException {
        if (model != null && !model.matches("[a-z0-9.-]+/[a-z0-9.-]+")) {
            throw wrong(model + ": must be NAMESPACE/NAME");
        }
        String path = model == null ? "/admin/sleep" : "/admin/models/" + model + "/sleep";
        // One tells the operator, and so all the others.
        JsonNode asleep = JSON.readTree(answer(gateways.getFirst(), "POST", path + "?graceSeconds=" + grace))
                .path("asleep");
        return said(asleep.isEmpty()
                ? "nothing was awake"
                : "asleep: " + String.join(", ", asleep.valueStream().map(JsonNode::asText).toList()));
    }

    @Command(name = "drain", mixinStandardHelpOptions = true, description = "Have a gateway refuse new requests; returns when it is empty.")
    int drain() throws IOException, InterruptedException {
        answer(only("drain one after the other"), "POST", "/admin/drain");
        return said("the gateway is empty, and refuses what comes");
    }

    private URI only(String why) {
        if (gateways.size() > 1) {
            throw wrong(why + ": name one --url");
        }
        return gateways.getFirst();
    }

    private void heading(URI gateway) {
        if (gateways.size() > 1) {
            out().println("# " + gateway);
        }
    }

    private static String text(JsonNode in, String field) {
        return in.path(field).asText();
    }

    private int said(String what) {
        out().println(what);
        out().flush();
        return 0;
    }

    private String answer(URI gateway, String method, String path) throws IOException, InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient()) {
            HttpResponse<String> answer = http.send(
                    HttpRequest.newBuilder(gateway.resolve(path)).method(method, BodyPublishers.noBody()).build(),
                    HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new IOException("the gateway answered " + answer.statusCode() + ": " + answer.body().strip());
            }
            return answer.body();
        } catch (ConnectException e) {
            throw new IOException(
                    "nobody answers at " + gateway + ": is the gateway's DORMOUSE_ADMIN_PORT set, and forwarded?",
                    e);
        }
    }

    private PrintWriter out() {
        return command().getOut();
    }

    private picocli.CommandLine command() {
        if (spec == null) {
            throw new IllegalStateException("picocli injects the spec before it runs a command");
        }
        return spec.commandLine();
    }

    private ParameterException wrong(String message) {
        return new ParameterException(command(), message);
    }
}
