package dev.dormouse.cli.bench.run;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class LoadedClassesTest {

    @Test
    @DisplayName("R4: the classes of a JVM, ours apart")
    void readsWhatJcmdPrints() {
        LoadedClasses classes = LoadedClasses.parse("""
                                                    4711:
                                                    java.lang.Object/null
                                                    |--dev.dormouse.operator.OperatorMain/0x00007f00c8001000
                                                    |--java.util.AbstractCollection/null
                                                    |  |--jcuda.Pointer/0x00007f00c8001000 (intf)
                                                    """);

        assertThat(classes.names()).containsExactly("java.lang.Object", "dev.dormouse.operator.OperatorMain",
                "java.util.AbstractCollection", "jcuda.Pointer");
        assertThat(classes.own()).isEqualTo(1);
        assertThat(classes.ownPackages()).isEqualTo(1);
        assertThat(classes.modules()).as("java.base and the class path").isEqualTo(2);
        assertThat(classes.any("jcuda.")).isTrue();
        assertThat(classes.any("org.bouncycastle.")).isFalse();
    }
}
