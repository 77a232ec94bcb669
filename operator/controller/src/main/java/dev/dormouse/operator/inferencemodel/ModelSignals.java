package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.fleet.ModelKey;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.inbound.SimpleInboundEventSource;
import java.util.function.Consumer;

/** What comes from elsewhere than the API server (sidecars, gateways, the queue), as events for reconciles. */
public final class ModelSignals implements Consumer<ModelKey> {
    private final SimpleInboundEventSource<InferenceModel> source = new SimpleInboundEventSource<>("signals");

    SimpleInboundEventSource<InferenceModel> source() {
        return source;
    }

    @Override
    public void accept(ModelKey model) {
        if (source.isRunning()) {
            source.propagateEvent(new ResourceID(model.name(), model.namespace()));
        }
    }
}
