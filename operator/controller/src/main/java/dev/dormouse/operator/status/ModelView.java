package dev.dormouse.operator.status;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.domain.warmup.QueuePosition;
import dev.dormouse.operator.resolve.ResolvedModel;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Everything status is made from: what was found, and what was decided.
 *
 * @param previous status as last written
 * @param activation the open activation or the last one
 * @param why the decision in words
 * @param queue place of the model's next replica that waits for a slot
 * @param failures replicas that failed in a row
 * @param rejected why the API server refused a pod
 */
public record ModelView(InferenceModel model, ModelStatus previous, ResolvedModel resolved,
        @Nullable Activation activation, String why, InitialStart initialStart, List<ObservedReplica> replicas,
        int desired, Optional<QueuePosition> queue, int failures, String snapshotKey, String template,
        Optional<Rejection> rejected, Instant now) {

    public ModelView {
        replicas = List.copyOf(replicas);
    }

    /** @param forGood whether only another spec helps */
    public record Rejection(Problem problem, boolean forGood) {}

    boolean awake() {
        return activation != null && activation.open();
    }
}
