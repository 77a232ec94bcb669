package dev.dormouse.gateway;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

class GatewayArchitectureTest {
    private final JavaClasses gateway = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.dormouse.gateway");

    @Test
    void vertxStaysInTheProxy() {
        noClasses().that()
                .resideOutsideOfPackages("dev.dormouse.gateway", "dev.dormouse.gateway.http")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.vertx..")
                .check(gateway);
    }

    @Test
    void kubernetesStaysInOneRoom() {
        noClasses().that()
                .resideOutsideOfPackages("dev.dormouse.gateway", "dev.dormouse.gateway.kube")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.fabric8..", "dev.dormouse.api..")
                .check(gateway);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().matching("dev.dormouse.(**)").should().beFreeOfCycles().check(gateway);
    }
}
