package dev.dormouse.e2e.conformance;

import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What people type: {@code conformance/kubectl.yaml} and {@code helm.yaml}, with every version that is here. */
@ExtendWith(TestCluster.Extension.class)
class ClientProgramsIT {
    private final TestCluster cluster;

    @TempDir
    private Path folder;

    ClientProgramsIT(TestCluster cluster) {
        this.cluster = cluster;
    }

    @TestFactory
    Stream<DynamicContainer> kubectl() throws IOException {
        return matrix("kubectl");
    }

    @TestFactory
    Stream<DynamicContainer> helm() throws IOException {
        return matrix("helm");
    }

    private Stream<DynamicContainer> matrix(String name) throws IOException {
        List<Program> programs = Program.find(name);
        assumeFalse(programs.isEmpty(), "there is no " + name + ": .ci/tools fetches it");
        return programs.stream()
                .map(program -> dynamicContainer(program.label(), Program.cases(name + ".yaml")
                        .stream()
                        .map(each -> dynamicTest(each.name(), () -> check(program, each)))));
    }

    private void check(Program program, Program.Case commands) throws IOException, InterruptedException {
        if (commands.needs() != null) {
            cluster.assumeClusterScope();
        }
        if (commands.toString().contains("conformance.dormouse.dev")) {
            cluster.assumeWidgets();
        }
        Path caches = Files.createDirectories(folder.resolve(program.label().replace(' ', '-')));
        String namespace = cluster.newNamespace();
        for (Program.Step step : commands.steps()) {
            program.carryOut(step, cluster.kubeconfig(), namespace, caches);
        }
    }
}
