package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.ControlPlane;
import dev.dormouse.cluster.ControlPlaneConfig;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** The control plane that a run is about, started once for all classes that ask for it by a parameter. */
final class TestCluster implements AutoCloseable {
    static final Path RESOURCES = Path.of(System.getProperty("dormouse.home"),
            "e2e/tests/src/test/resources/conformance");

    private final Path state;
    private final ControlPlane controlPlane;
    private final Api api;
    private final boolean widgets;

    private TestCluster() throws IOException {
        state = Files.createTempDirectory("conformance");
        controlPlane = ControlPlaneConfig.of(System.getProperties()).start(state);
        api = Api.of(controlPlane.kubeconfig());
        widgets = installWidgets();
    }

    /** Gives tests the cluster as a parameter. */
    static final class Extension implements ParameterResolver {
        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
            return parameter.getParameter().getType() == TestCluster.class;
        }

        @Override
        public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
            return context.getRoot()
                    .getStore(Namespace.create(TestCluster.class))
                    .computeIfAbsent(TestCluster.class, _ -> {
                        try {
                            return new TestCluster();
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    });
        }
    }

    Api api() {
        return api;
    }

    ControlPlane controlPlane() {
        return controlPlane;
    }

    Path kubeconfig() {
        return controlPlane.kubeconfig();
    }

    /** A fabric8 client as our processes set it up. */
    KubernetesClient client() {
        try {
            Config config = Config.fromKubeconfig(Files.readString(kubeconfig()));
            return new KubernetesClientBuilder()
                    .withConfig(new ConfigBuilder(config).withOnlyHttpWatches(true).build())
                    .build();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A fresh, empty namespace in which pods may be created. */
    String newNamespace() {
        return controlPlane.createNamespace("conformance-");
    }

    void assumeClusterScope() {
        assumeTrue(controlPlane.clusterScope(), "writes outside of namespaces of its own, which "
                + controlPlane.description() + " does not allow");
    }

    void assumeWidgets() {
        assumeTrue(widgets, "needs the custom resource of conformance/widgets.yaml, which nobody installed");
    }

    private boolean installWidgets() throws IOException {
        String url = Widgets.CRDS + "/" + Widgets.NAME;
        if (controlPlane.clusterScope()) {
            ObjectNode definition = (ObjectNode) Api.YAML_MAPPER.readTree(Widgets.definition());
            Answer applied = api.send("PATCH", url + "?fieldManager=conformance&force=true",
                    Map.of("Content-Type", Api.APPLY), definition.toString());
            assertThat(applied.code()).as(applied.toString()).isLessThan(300);
            await().atMost(Duration.ofSeconds(20)).until(() -> api.get(Widgets.url("default")).code() == 200);
            return true;
        }
        return api.get("/apis/" + Widgets.GROUP + "/v1").code() == 200;
    }

    @Override
    public void close() throws IOException {
        if (controlPlane.clusterScope()) {
            api.delete(Widgets.CRDS + "/" + Widgets.NAME);
        }
        api.close();
        controlPlane.close();
        try (Stream<Path> files = Files.walk(state)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
