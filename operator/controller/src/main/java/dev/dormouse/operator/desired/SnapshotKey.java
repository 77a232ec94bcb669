package dev.dormouse.operator.desired;

import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.util.Arrays;
import java.util.List;

/**
 * The operator's part of a snapshot's compatibility key: everything in a spec that may change what lies in device
 * memory. Another key, another snapshot.
 */
public final class SnapshotKey {
    private static final KubernetesSerialization JSON = ApiJson.SHARED;

    private SnapshotKey() {}

    /** @return 64 hex digits */
    public static String of(InferenceModelSpec spec) {
        InferenceModelSpec.Engine engine = spec.engine();
        List<Object> parts = Arrays.asList(spec.model().uri(), spec.model().revision(), engine.image(),
                engine.command(),
                engine.args(), engine.env());
        // JSON keeps the parts apart: ["a","b"] and ["ab"] differ.
        return Hashes.sha256(JSON.asJson(parts));
    }
}
