package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SnapshotStoreTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T10:15:30.123456Z"), ZoneOffset.UTC);

    @TempDir
    Path scratch;
    @TempDir
    Path volume;

    @ParameterizedTest
    @EnumSource(Compression.class)
    void whatWasSavedComesBack(Compression compression) throws Exception {
        var store = SnapshotStore.open(volume, Writer.inPod("pod"), CLOCK);
        try (var model = new SampleModel(scratch, 1); var target = new HostDevice(1 << 30)) {
            model.buffer("weights", BufferType.Weights, model.random(100_000))
                    .buffer("zeros", BufferType.Weights, new byte[50_000])
                    .buffer("empty", BufferType.Weights, new byte[0])
                    .buffer("text", BufferType.Weights, "weights ".repeat(4_000).getBytes(StandardCharsets.UTF_8))
                    .file("tokenizer.json", model.random(10_000))
                    .file("empty.bin", new byte[0]);

            Snapshot saved = store.save(model.request(CLOCK.instant()), model.device(),
                    new SaveOptions(compression, 3, Set.of(BufferType.Weights), 16 << 10, 2), ProgressListener.NONE);
            Snapshot found = store.newest(SampleModel.KEY).orElseThrow();
            try (var task = store.restore(found, target, RestoreOptions.verified())) {
                task.await(null);
                task.done().join();

                assertThat(found).isEqualTo(saved);
                assertSame(SampleModel.restored(task, target), model.contents());
            }
            assertThat(target.usedBytes()).isZero();
        }
    }

    private static void assertSame(Map<String, byte[]> actual, Map<String, byte[]> expected) {
        assertThat(actual.keySet()).containsExactlyInAnyOrderElementsOf(expected.keySet());
        expected.forEach((name, content) -> assertThat(actual.get(name)).as(name).isEqualTo(content));
    }
}
