package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Every request that is here, by the id under which the hold core knows it. Owned by the event loop. */
final class OpenRequests {

    record Open(long id, Ticket ticket, Arrival arrival) {

        ModelKey model() {
            return arrival.model().key();
        }
    }

    private final Map<Long, Open> open = new HashMap<>();

    void add(long id, Ticket ticket, Arrival arrival) {
        open.put(id, new Open(id, ticket, arrival));
    }

    Optional<Open> find(long id) {
        return Optional.ofNullable(open.get(id));
    }

    /** The request is here no longer. */
    Optional<Open> remove(long id) {
        return Optional.ofNullable(open.remove(id));
    }

    Collection<Open> all() {
        return List.copyOf(open.values());
    }

    List<Open> of(ModelKey model) {
        return open.values().stream().filter(each -> each.model().equals(model)).toList();
    }
}
