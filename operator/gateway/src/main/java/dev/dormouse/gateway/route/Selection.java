package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;
import java.util.List;

/** What became of a client's choice of model. */
public sealed interface Selection {

    record Found(ModelRoute model) implements Selection {}

    record Unknown() implements Selection {}

    /** @param candidates the models that share the name, each reachable as {@code namespace/name} */
    record Ambiguous(List<ModelKey> candidates) implements Selection {
        public Ambiguous {
            candidates = List.copyOf(candidates);
        }
    }
}
