package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.dormouse.cluster.apiserver.Store.Change;
import dev.dormouse.cluster.apiserver.Store.Event;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The server: https on 127.0.0.1 for whoever holds its token. State is in memory and ends with it; resource versions
 * never go back, so clients that survive a restart list again.
 */
public final class ApiServer implements AutoCloseable {
    /** What {@code /version} says: the Kubernetes release whose behaviour is followed, and that this is not it. */
    public static final String VERSION = "v1.34.1+embedded";

    private static final List<String> NAMESPACES = List.of("default", "kube-system", "dormouse-system");
    private static final WriteOptions OPTIONS = WriteOptions.internal("dormouse-control-plane");

    private final HttpsServer server;
    private final ExecutorService threads;
    private final Thread collector;
    private final ResourceTypes types;
    private final ObjectLifecycle objects;
    private final ServingCertificate certificate;
    private final String token;
    private volatile PodLogs podLogs = request -> {
        throw new IOException("no kubelet has registered its logs, asked for pod " + request.pod());
    };

    /**
     * Starts on a port of 127.0.0.1; it answers when this returns.
     *
     * @param port 0 for any free one
     */
    public ApiServer(int port, Clock clock) throws IOException {
        // Read once, when the first server of the JVM starts: without it small answers wait for delayed acknowledgements.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        // Making the certificate takes as long as everything else together: both at once.
        CompletableFuture<ServingCertificate> making = CompletableFuture
                .supplyAsync(() -> ServingCertificate.generate(clock.instant()));
        types = new ResourceTypes(BuiltInTypes.all());
        BlockingQueue<Event> changes = GarbageCollector.newQueue();
        Store store = new Store(clock.millis(), event -> {
            followDefinitions(event);
            GarbageCollector.note(changes, event);
        });
        objects = new ObjectLifecycle(store, types, clock);
        NAMESPACES.forEach(this::createNamespace);
        token = newToken();
        server = HttpsServer.create(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), port), 0);
        threads = Executors.newVirtualThreadPerTaskExecutor();
        collector = Thread.ofPlatform()
                .daemon()
                .name("garbage-collector")
                .start(new GarbageCollector(store, types, objects, changes)::run);
        Subresources subresources = new Subresources(objects, () -> podLogs);
        Routes routes = new Routes(types, store, objects, new Tables(clock), subresources);
        certificate = making.join();
        server.setHttpsConfigurator(new HttpsConfigurator(certificate.sslContext()));
        server.setExecutor(threads);
        server.createContext("/", new HttpAdapter(routes, token));
        server.start();
    }

    public URI url() {
        return URI.create("https://127.0.0.1:" + server.getAddress().getPort());
    }

    /** The bearer token that may do everything. */
    public String token() {
        return token;
    }

    /** The certificate to trust, in PEM. */
    public String certificate() {
        return certificate.pem();
    }

    /** Says where {@code pods/log} comes from; before, asking for a log is refused. */
    public void registerPodLogs(PodLogs logs) {
        podLogs = logs;
    }

    /**
     * Creates or updates the objects of a YAML stream as {@code kubectl apply --server-side --force-conflicts} does. A type
     * that a CustomResourceDefinition brings is served when this returns.
     *
     * @throws IllegalArgumentException naming the object that is refused, and why
     */
    public void apply(String yaml) {
        try {
            for (ObjectNode json : Json.parseYamlDocuments(yaml)) {
                apply(json);
            }
        } catch (ApiException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    private void apply(ObjectNode json) {
        String apiVersion = json.path("apiVersion").asText();
        String kind = json.path("kind").asText();
        ResourceType type = types.all()
                .stream()
                .filter(each -> each.apiVersion().equals(apiVersion) && each.kind().equals(kind))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no such kind is served: " + apiVersion + " " + kind));
        String namespace = type.namespaced() ? json.path("metadata").path("namespace").asText("default") : "";
        Store.Key key = new Store.Key(namespace, json.path("metadata").path("name").asText());
        objects.apply(type, key, json, OPTIONS.forced());
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
        collector.interrupt();
    }

    /** Under the store's lock: the types served are always those of the definitions stored. */
    private void followDefinitions(Event event) {
        if (event.resource().equals(CustomResources.RESOURCE)) {
            if (event.change() == Change.DELETED) {
                types.remove(event.object().name());
            } else {
                types.put(CustomResources.typeOf(event.object()));
            }
        }
    }

    private void createNamespace(String name) {
        ObjectNode namespace = Json.object();
        namespace.putObject("metadata").put("name", name);
        objects.create(types.get("namespaces"), "", namespace, OPTIONS);
    }

    private static String newToken() {
        byte[] random = new byte[32];
        new SecureRandom().nextBytes(random);
        return HexFormat.of().formatHex(random);
    }
}
