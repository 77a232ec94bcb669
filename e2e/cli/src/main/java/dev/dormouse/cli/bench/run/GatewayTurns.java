package dev.dormouse.cli.bench.run;

import dev.dormouse.cli.figures.Figure.Better;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.util.Locale;

/** Requests to a model that is awake, past the gateway and through it in turns: what disturbs the machine disturbs both. */
final class GatewayTurns {
    private final Site site;
    private final ModelRequest request;
    private final HttpClient http;
    private final Samples samples;

    GatewayTurns(Site site, ModelRequest request, HttpClient http, Samples samples) {
        this.site = site;
        this.request = request;
        this.http = http;
        this.samples = samples;
    }

    void measure(String name, Pod pod, BenchPlan plan) throws IOException, InterruptedException {
        URI engine = engine(pod);
        for (int i = 0; i < plan.warmups() + plan.requests(); i++) {
            boolean counts = i >= plan.warmups();
            long past = timed(engine, name, plan);
            long through = timed(site.gateway(), name, plan);
            samples.millis("gateway.direct", counts, past);
            samples.millis("gateway.through", counts, through);
            samples.add("gateway.through_to_direct", "ratio", Better.Lower, counts, (double) through / past);
        }
        site.say()
                .accept(String.format(Locale.ROOT, "gateway  %d requests through it, %d past it", plan.requests(),
                        plan.requests()));
    }

    private long timed(URI base, String name, BenchPlan plan) throws IOException, InterruptedException {
        long begin = System.nanoTime();
        request.send(http, base, name, plan.timeout());
        return (System.nanoTime() - begin) / 1_000;
    }

    private static URI engine(Pod pod) {
        int port = pod.getSpec()
                .getContainers()
                .stream()
                .filter(container -> container.getName().equals(PodConventions.ENGINE_CONTAINER))
                .flatMap(container -> container.getPorts().stream())
                .filter(each -> PodConventions.ENGINE_PORT_NAME.equals(each.getName()))
                .mapToInt(each -> each.getContainerPort())
                .findFirst()
                .orElse(PodConventions.ENGINE_PORT);
        return URI.create("http://" + pod.getStatus().getPodIP() + ":" + port);
    }
}
