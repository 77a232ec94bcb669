package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.e2e.conformance.CaseFile.Case;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;

/** The conversations of {@code conformance/api/*.yaml}. */
@ExtendWith(TestCluster.Extension.class)
class ApiSemanticsIT {
    private final TestCluster cluster;

    ApiSemanticsIT(TestCluster cluster) {
        this.cluster = cluster;
    }

    @TestFactory
    Stream<DynamicContainer> subjects() throws IOException {
        List<CaseFile> files;
        try (Stream<Path> found = Files.list(TestCluster.RESOURCES.resolve("api"))) {
            files = found.sorted().map(CaseFile::read).toList();
        }
        assertThat(files.stream().mapToInt(file -> file.cases().size()).sum()).isGreaterThanOrEqualTo(120);
        return files.stream()
                .map(file -> DynamicContainer.dynamicContainer(file.subject(),
                        file.cases().stream().map(each -> DynamicTest.dynamicTest(each.name(), () -> check(each)))));
    }

    private void check(Case conversation) {
        if (conversation.needs() != null) {
            cluster.assumeClusterScope();
        }
        if (conversation.steps().stream().anyMatch(step -> step.request().contains("$widgets"))) {
            cluster.assumeWidgets();
        }
        Conversation with = new Conversation(cluster.api(), cluster.newNamespace());
        conversation.steps().forEach(with::carryOut);
    }
}
