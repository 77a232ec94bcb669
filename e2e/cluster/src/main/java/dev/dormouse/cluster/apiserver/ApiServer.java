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
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The server: https on 127.0.0.1 for whoever holds a token. Its state is in a folder; another server that starts there goes
 * on where this one ended, and resource versions never go back.
 */
public final class ApiServer implements AutoCloseable {
    /** What {@code /version} says: the Kubernetes release whose behaviour is followed, and that this is not it. */
    public static final String VERSION = "v1.34.1+embedded";

    private static final List<String> NAMESPACES = List.of("default", "kube-system", "kube-public", "kube-node-lease",
            "dormouse-system");
    private static final WriteOptions OPTIONS = WriteOptions.internal("dormouse-control-plane");

    private final HttpsServer server;
    private final ExecutorService threads;
    private final Thread controller;
    private final Store store;
    private final ResourceTypes types;
    private final ObjectLifecycle objects;
    private final ServingCertificate certificate;
    private final String token;
    private final ServiceAccountTokens accounts;
    private volatile PodLogs podLogs = request -> {
        throw new IOException("no kubelet has registered its logs, asked for pod " + request.pod());
    };

    /** Starts on a port of 127.0.0.1 with nothing on disk: its state ends with it. */
    public ApiServer(int port, Clock clock) throws IOException {
        this(null, port, clock);
    }

    /**
     * Starts on a port of 127.0.0.1; it answers when this returns.
     *
     * @param folder where its state, its token and its certificate are kept, and found again; null for nowhere
     * @param port 0 for any free one
     * @throws IOException when the port is taken, another server uses the folder, or what is in it is damaged
     */
    public ApiServer(@Nullable Path folder, int port, Clock clock) throws IOException {
        // Read once, when the first server of the JVM starts: without it small answers wait for delayed acknowledgements.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        // Making the certificate takes as long as everything else together: both at once.
        CompletableFuture<ServingCertificate> making = CompletableFuture
                .supplyAsync(() -> folder == null
                        ? ServingCertificate.generate(clock.instant())
                        : ServingCertificate.in(folder, clock.instant()));
        types = new ResourceTypes(BuiltInTypes.all());
        Controllers controllers = new Controllers();
        server = HttpsServer.create(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), port), 0);
        store = openStore(folder, clock.millis(), event -> {
            followDefinitions(event);
            controllers.note(event);
        });
        token = adminToken(folder);
        objects = new ObjectLifecycle(store, types, clock);
        NAMESPACES.forEach(this::createNamespace);
        DefaultRoles.create(types, store, objects);
        threads = Executors.newVirtualThreadPerTaskExecutor();
        accounts = new ServiceAccountTokens(token, store, clock);
        Authorizer authorizer = new Authorizer(store);
        Authentication authentication = new Authentication(token, accounts, authorizer);
        Subresources subresources = new Subresources(objects, () -> podLogs, new Evictions(store, objects), accounts);
        Routes routes = new Routes(types, store, objects, new Tables(clock), subresources, authorizer,
                new AccessReviews(authentication, authorizer));
        certificate = making.join();
        NamespaceContents contents = new NamespaceContents(types, objects, certificate.pem());
        store.list("namespaces", "").objects().forEach(namespace -> contents.changed("namespaces", namespace));
        List<Controllers.Controller> running = List.of(new GarbageCollector(store, types, objects), contents);
        controller = Thread.ofPlatform()
                .daemon()
                .name("controllers")
                .start(() -> controllers.run(store, types, running));
        server.setHttpsConfigurator(new HttpsConfigurator(certificate.sslContext()));
        server.setExecutor(threads);
        server.createContext("/", new HttpAdapter(routes, authentication));
        server.start();
    }

    private Store openStore(@Nullable Path folder, long firstVersion, Consumer<Event> listener) throws IOException {
        try {
            return folder == null ? new Store(firstVersion, listener) : new Store(folder, firstVersion, listener);
        } catch (IOException e) {
            server.stop(0);
            throw e;
        }
    }

    public URI url() {
        return URI.create("https://127.0.0.1:" + server.getAddress().getPort());
    }

    /** The bearer token that may do everything. */
    public String token() {
        return token;
    }

    /**
     * A bearer token of a ServiceAccount, valid for a year; the account is created when there is none.
     *
     * @throws IllegalArgumentException when the namespace does not exist
     */
    public String token(String namespace, String account) {
        try {
            ResourceType type = types.get("serviceaccounts");
            Store.Key key = new Store.Key(namespace, account);
            ApiObject found = objects.apply(type, key, Json.object(), OPTIONS.forced());
            ObjectNode request = Json.object();
            request.putObject("spec").put("expirationSeconds", Duration.ofDays(365).toSeconds());
            return accounts.request(type, found, request).at("/status/token").asText();
        } catch (ApiException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
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
        controller.interrupt();
        store.close();
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
        if (store.get("namespaces", new Store.Key("", name)).isPresent()) {
            return;
        }
        ObjectNode namespace = Json.object();
        namespace.putObject("metadata").put("name", name);
        objects.create(types.get("namespaces"), "", namespace, OPTIONS);
    }

    private static String adminToken(@Nullable Path folder) throws IOException {
        if (folder != null && Files.exists(folder.resolve("token"))) {
            return Files.readString(folder.resolve("token")).strip();
        }
        byte[] random = new byte[32];
        new SecureRandom().nextBytes(random);
        String made = HexFormat.of().formatHex(random);
        if (folder == null) {
            return made;
        }
        Path file = folder.resolve("token");
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(file, made);
        return made;
    }
}
