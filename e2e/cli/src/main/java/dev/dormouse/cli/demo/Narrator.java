package dev.dormouse.cli.demo;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.SnapshotStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.WarmupStatus;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Tells, one line per change, what a model's status says. Owned by the informer's thread. */
public final class Narrator implements ResourceEventHandler<InferenceModel> {
    private final Consumer<String> say;
    private String last = "";

    public Narrator(Consumer<String> say) {
        this.say = say;
    }

    @Override
    public void onAdd(InferenceModel model) {
        tell(model);
    }

    @Override
    public void onUpdate(InferenceModel before, InferenceModel after) {
        tell(after);
    }

    @Override
    public void onDelete(InferenceModel model, boolean finalStateUnknown) {
        say.accept(model.getMetadata().getName() + ": deleted");
    }

    private void tell(InferenceModel model) {
        InferenceModelStatus status = model.getStatus();
        if (status == null) {
            return;
        }
        String line = model.getMetadata().getName() + ": " + describe(status);
        if (!line.equals(last)) {
            last = line;
            say.accept(line);
        }
    }

    private static String describe(InferenceModelStatus status) {
        StringBuilder line = new StringBuilder(ready(status.conditions));
        line.append(", replicas ").append(status.readyReplicas).append('/').append(status.replicas);
        if (status.replicas > 0 && status.warmup != null) {
            line.append(", ").append(warmup(status.warmup));
        }
        if (status.snapshot != null) {
            line.append(snapshot(status.snapshot));
        }
        return line.toString();
    }

    private static String ready(List<Condition> conditions) {
        return conditions.stream()
                .filter(condition -> condition.getType().equals("Ready"))
                .findFirst()
                .map(condition -> ("True".equals(condition.getStatus()) ? "" : "not ready: ") + condition.getReason())
                .orElse("no condition yet");
    }

    private static String warmup(WarmupStatus warmup) {
        String phase = warmup.phase();
        return orEmpty(warmup.queuePosition(), position -> "place " + position + " in the queue, ") + phase
                + (phase.equals("Restoring") ? orEmpty(warmup.percent(), percent -> " " + percent + " %") : "");
    }

    private static String snapshot(SnapshotStatus snapshot) {
        return switch (snapshot.state()) {
            case "Saving" -> ", saving the snapshot";
            case "Saved" -> ", snapshot saved";
            case "Quarantined" -> ", snapshot quarantined: " + snapshot.message();
            case "Failed" -> ", snapshot failed: " + snapshot.message();
            default -> "";
        };
    }

    private static <T> String orEmpty(@Nullable T value, java.util.function.Function<T, String> text) {
        return Objects.isNull(value) ? "" : text.apply(value);
    }
}
