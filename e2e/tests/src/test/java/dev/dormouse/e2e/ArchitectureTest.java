package dev.dormouse.e2e;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.conditions.ArchPredicates.are;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClasses;
import io.fabric8.kubernetes.client.KubernetesClient;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The walls between the rooms. Sibling modules are read from their {@code target/classes}, not from the class path, so
 * that libraries that must never meet in one JVM do not meet here either.
 */
class ArchitectureTest {
    private static final Path HOME = Path.of(System.getProperty("dormouse.home"));
    private static final List<String> MODULES = List.of("crds", "operator/domain", "operator/controller",
            "operator/gateway", "sidecar/api", "sidecar/trace", "sidecar/client", "sidecar/agent",
            "sidecar/engines/onnx", "e2e/cluster",
            "e2e/chat", "e2e/cli");

    private static JavaClasses all;

    @BeforeAll
    static void read() {
        List<Path> folders = MODULES.stream().map(module -> HOME.resolve(module).resolve("target/classes")).toList();
        assertThat(folders)
                .allSatisfy(folder -> assertThat(Files.isDirectory(folder)).as("%s is built", folder).isTrue());
        all = new ClassFileImporter().importPaths(folders);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("dev.dormouse.(**)").should().beFreeOfCycles().check(all);
    }

    @Test
    void decisionsUseOnlyTheJdk() {
        classes().that()
                .resideInAPackage("dev.dormouse.domain..")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("java..", "org.jspecify..", "dev.dormouse.domain..")
                .check(all);
    }

    @Test
    void decisionsTouchNeitherFilesNorThreadsNorTheNetwork() {
        noClasses().that()
                .resideInAPackage("dev.dormouse.domain..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("java.io..", "java.nio.file..", "java.nio.channels..", "java.net..",
                        "java.util.concurrent..")
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(Thread.class)
                .check(all);
    }

    @Test
    void theOperatorSdkStaysInTheOperator() {
        noClasses().that()
                .resideOutsideOfPackage("dev.dormouse.operator..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.javaoperatorsdk..")
                .check(all);
    }

    @Test
    void desiredObjectsAreFunctionsWithoutAClient() {
        noClasses().that()
                .resideInAPackage("dev.dormouse.operator.desired..")
                .should()
                .dependOnClassesThat()
                .areAssignableTo(KubernetesClient.class)
                .orShould()
                .dependOnClassesThat()
                .resideInAnyPackage("io.fabric8.kubernetes.client.dsl..", "io.fabric8.kubernetes.client.informers..",
                        "io.javaoperatorsdk..")
                .check(all);
    }

    @Test
    void vertxStaysInTheGateway() {
        noClasses().that()
                .resideOutsideOfPackages("dev.dormouse.gateway", "dev.dormouse.gateway.http..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.vertx..")
                .check(all);
    }

    /** A start pays for OpenTelemetry only where traces are collected. */
    @Test
    void openTelemetryStaysWhereSpansAreSent() {
        noClasses().that()
                .resideOutsideOfPackages("dev.dormouse.trace..", "dev.dormouse.gateway.trace..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.opentelemetry..")
                .check(all);
    }

    @Test
    void theGatewayMeetsKubernetesInOneRoom() {
        noClasses().that()
                .resideInAPackage("dev.dormouse.gateway..")
                .and()
                .resideOutsideOfPackages("dev.dormouse.gateway", "dev.dormouse.gateway.kube..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.fabric8..")
                .check(all);
    }

    @Test
    void foreignMemoryStaysWhereItIsOwned() {
        noClasses().that()
                .resideOutsideOfPackages("dev.dormouse.sidecar.transport..", "dev.dormouse.sidecar.client..",
                        "dev.dormouse.sidecar.device..", "dev.dormouse.sidecar.cuda..",
                        "dev.dormouse.sidecar.format..",
                        "dev.dormouse.sidecar.pipeline..", "dev.dormouse.sidecar.trust..",
                        "dev.dormouse.sidecar.store..", "dev.dormouse.sidecar.safetensors..", "dev.dormouse.engine..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("java.lang.foreign..")
                .check(all);
    }

    @Test
    void cudaStaysInItsRoom() {
        noClasses().that()
                .resideOutsideOfPackage("dev.dormouse.sidecar.cuda..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("jcuda..")
                .check(all);
    }

    @Test
    void processesShareOnlyWireRecordsTypesAndDecisions() {
        for (String process : List.of("operator", "gateway", "sidecar.agent", "engine")) {
            noClasses().that()
                    .resideOutsideOfPackage("dev.dormouse." + process + "..")
                    .should()
                    .dependOnClassesThat(are(resideInAPackage("dev.dormouse." + process + "..")))
                    .check(all);
        }
        noClasses().that()
                .resideInAnyPackage("dev.dormouse.operator..", "dev.dormouse.gateway..")
                .should()
                .dependOnClassesThat(are(resideInAPackage("dev.dormouse.sidecar..")
                        .and(DescribedPredicate.not(resideInAPackage("dev.dormouse.sidecar.api..")))))
                .check(all);
    }

    @Test
    void theEnvironmentIsReadAtTheDoor() {
        noClasses().that()
                .haveSimpleNameNotEndingWith("Main")
                .and()
                .haveSimpleNameNotEndingWith("Config")
                .and()
                .resideOutsideOfPackages("dev.dormouse.cli..", "dev.dormouse.cluster..")
                .should()
                .callMethod(System.class, "getenv")
                .orShould()
                .callMethod(System.class, "getenv", String.class)
                .orShould()
                .callMethod(System.class, "exit", int.class)
                .check(all);
    }

    @Test
    void timeComesFromAnInjectedClock() {
        noClasses().should().callMethod(Instant.class, "now").check(all);
    }

    @Test
    void namesSayWhatAClassIs() {
        noClasses().should()
                .haveSimpleNameEndingWith("Util")
                .orShould()
                .haveSimpleNameEndingWith("Utils")
                .orShould()
                .haveSimpleNameEndingWith("Helper")
                .orShould()
                .haveSimpleNameEndingWith("Manager")
                .orShould()
                .haveSimpleNameEndingWith("Impl")
                .check(all);
    }
}
