package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect;
import dev.dormouse.domain.hold.HoldState;
import dev.dormouse.gateway.route.ModelRoute;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;

/** What a client is told when the {@link HoldState} turns it away. */
final class Refusals {
    private final HoldState core;
    private final WakeOutlook outlook;
    private final Clock clock;

    Refusals(HoldState core, WakeOutlook outlook, Clock clock) {
        this.core = core;
        this.outlook = outlook;
        this.clock = clock;
    }

    OpenAiError error(Effect.Reason reason, ModelRoute asArrived) {
        ModelKey key = asArrived.key();
        return switch (reason) {
            case UnknownModel -> OpenAiError.unknownModel(asArrived.clientName());
            case OverLimit -> OpenAiError.overLimit(key, core.limit(key));
            case QueueFull -> OpenAiError.queueFull(key, seconds(outlook.remaining(key)));
            case Waking -> OpenAiError.waking(key, seconds(outlook.remaining(key)));
            case WakeFailed -> OpenAiError.wakeFailed(key, outlook.why(key), seconds(
                    core.retryAt(key).map(at -> Duration.between(clock.instant(), at))));
            case Unloaded -> OpenAiError.unloaded(key);
            case ShuttingDown -> OpenAiError.shuttingDown();
            case DeadlineExceeded -> OpenAiError.wakeTimeout(key, asArrived.admission().queueTimeout().toSeconds(),
                    outlook.why(key));
        };
    }

    /** Whole seconds, rounded up; at least 1. */
    private static OptionalInt seconds(Optional<Duration> time) {
        return time.isEmpty()
                ? OptionalInt.empty()
                : OptionalInt.of((int) Math.max(1, (time.get().toMillis() + 999) / 1000));
    }
}
