package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.util.Collections;
import java.util.List;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BufferTableTest {
    private final BufferTable table = new BufferTable();

    @BeforeEach
    void anAllocationOf100Bytes() {
        table.allocated(1, 100, BufferType.Weights);
    }

    @Test
    void buffersThatFitAreKeptInTheirOrder() throws RefusedException {
        table.put(List.of(buffer("b", 0, 100), buffer("a", 100, 0)));

        assertThat(table.buffers()).extracting(BufferMeta::name).containsExactly("b", "a");
        assertThat(table.empty()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"0,101", "1,100", "-1,1", "0,-1", "9223372036854775807,1", "1,9223372036854775807",
            "9223372036854775807,9223372036854775807"})
    @DisplayName("S51: an offset or length outside the allocation is refused, overflow included")
    void outOfBounds(long offset, long length) {
        assertRefused(() -> table.put(List.of(buffer("a", offset, length))), "OutOfBounds");
    }

    @Test
    @DisplayName("S20: a name may be used once, in one message or over several, by buffers and files together")
    void duplicates() throws RefusedException {
        assertRefused(() -> table.put(List.of(buffer("a", 0, 1), buffer("a", 1, 1))), "DuplicateName");
        table.put(List.of(buffer("a", 0, 1)));
        assertRefused(() -> table.put(List.of(buffer("a", 1, 1))), "DuplicateName");
        assertRefused(() -> table.checkFile("a", 1), "DuplicateName");
        table.fileTaken("f", 1);
        assertRefused(() -> table.put(List.of(buffer("f", 1, 1))), "DuplicateName");
    }

    @Test
    void aMessageWithOneBadBufferTakesNone() throws RefusedException {
        assertRefused(() -> table.put(List.of(buffer("good", 0, 1), buffer("bad", 0, 101))), "OutOfBounds");

        assertThat(table.buffers()).isEmpty();
        table.put(List.of(buffer("good", 0, 1)));
    }

    @Test
    @DisplayName("S17: a buffer has the type of its allocation")
    void typeMismatch() {
        var cache = new BufferMeta("kv", 1, 0, 1, BufferType.KvCache, "f16", List.of(1L), false);

        assertRefused(() -> table.put(List.of(cache)), "TypeMismatch");
    }

    @Test
    void anAllocationOfSomebodyElseIsRefused() {
        var foreign = new BufferMeta("a", 2, 0, 1, BufferType.Weights, "u8", List.of(), false);

        assertRefused(() -> table.put(List.of(foreign)), "UnknownAllocation");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "line\nbreak", "zero\0"})
    void aNameThatNobodyCanReadIsRefused(String name) {
        assertRefused(() -> table.put(List.of(buffer(name, 0, 1))), "BadName");
        assertRefused(() -> table.put(List.of(buffer("x".repeat(513), 0, 1))), "BadName");
    }

    @Test
    void dtypesAndShapesAreBounded() {
        assertRefused(() -> table.put(List.of(shaped("F32 ", List.of()))), "BadDtype");
        assertRefused(() -> table.put(List.of(shaped("f32", List.of(-1L)))), "BadShape");
        assertRefused(() -> table.put(List.of(shaped("f32", Collections.nCopies(17, 1L)))), "BadShape");
    }

    @ParameterizedTest
    @ValueSource(strings = {"../up", "/abs", "a/../b", "a//b", ".hidden", "a/", "", "back\\slash", "a/.b",
            "white space"})
    @DisplayName("S54: a file's name cannot leave its folder")
    void fileNames(String name) {
        assertRefused(() -> table.checkFile(name, 1), "BadName");
    }

    @Test
    void filesAreBoundedInSizeAndNumber() throws RefusedException {
        table.checkFile("tokenizer/tokenizer.json", BufferTable.MAX_FILE_BYTES);
        assertRefused(() -> table.checkFile("f", BufferTable.MAX_FILE_BYTES + 1), "BadSize");
        assertRefused(() -> table.checkFile("f", -1), "BadSize");
        table.fileTaken("a", BufferTable.MAX_FILE_BYTES);
        table.fileTaken("b", BufferTable.MAX_FILE_BYTES);
        assertRefused(() -> table.checkFile("c", 1), "BadSize");
        for (int i = 0; i < BufferTable.MAX_FILES - 2; i++) {
            table.fileTaken("n" + i, 0);
        }
        assertRefused(() -> table.checkFile("c", 0), "TooManyFiles");
    }

    @Test
    void allocationsAreBoundedInSizeAndNumber() throws RefusedException {
        assertRefused(() -> table.checkAllocation(0, BufferType.Weights), "BadSize");
        assertRefused(() -> table.checkAllocation(-1, BufferType.Weights), "BadSize");
        assertRefused(() -> table.checkAllocation(Long.MAX_VALUE, BufferType.Weights), "BadSize");
        assertRefused(() -> table.checkAllocation(BufferTable.MAX_BYTES - 99, BufferType.Weights), "BadSize");
        for (int i = 2; i <= BufferTable.MAX_ALLOCATIONS; i++) {
            table.checkAllocation(1, BufferType.Other);
            table.allocated(i, 1, BufferType.Other);
        }
        assertRefused(() -> table.checkAllocation(1, BufferType.Other), "TooManyAllocations");
    }

    private static void assertRefused(ThrowingCallable call, String code) {
        AbstractThrowableAssert<?, ?> refused = assertThatThrownBy(call).isInstanceOf(RefusedException.class);
        refused.extracting(e -> ((RefusedException) e).code()).isEqualTo(code);
    }

    private static BufferMeta buffer(String name, long offset, long length) {
        return new BufferMeta(name, 1, offset, length, BufferType.Weights, "u8", List.of(), false);
    }

    private static BufferMeta shaped(String dtype, List<Long> shape) {
        return new BufferMeta("a", 1, 0, 1, BufferType.Weights, dtype, shape, false);
    }
}
