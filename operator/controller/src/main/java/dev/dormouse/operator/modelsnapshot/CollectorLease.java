package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.operator.desired.StorePod;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The right to change a volume, as a Lease beside its claim: one operator at a time, across operators. It is taken for as
 * long as a store pod may live, so a holder that vanished holds nobody up for longer.
 */
final class CollectorLease {
    private final KubernetesClient client;
    private final String holder;

    /** @param holder who this operator is */
    CollectorLease(KubernetesClient client, String holder) {
        this.client = client;
        this.holder = holder;
    }

    static String name(String claim) {
        return StorePod.name(claim);
    }

    /** @return empty when we hold it now; otherwise until when somebody else does, at most */
    Optional<Instant> take(VolumeKey volume, Duration duration, Instant now) {
        String name = name(volume.claim());
        try {
            Lease found = client.leases().inNamespace(volume.namespace()).withName(name).get();
            if (found == null) {
                client.leases().inNamespace(volume.namespace()).resource(lease(volume, duration, now, null)).create();
                return Optional.empty();
            }
            Optional<Instant> taken = takenUntil(found).filter(end -> end.isAfter(now));
            if (taken.isPresent() && !holder.equals(found.getSpec().getHolderIdentity())) {
                return taken;
            }
            client.leases()
                    .inNamespace(volume.namespace())
                    .resource(lease(volume, duration, now, found.getMetadata().getResourceVersion()))
                    .update();
            return Optional.empty();
        } catch (KubernetesClientException e) {
            if (e.getCode() == HttpURLConnection.HTTP_CONFLICT) {
                // Somebody was faster.
                return Optional.of(now.plusSeconds(1));
            }
            throw e;
        }
    }

    /** Best effort: it ends by itself. */
    void release(VolumeKey volume) {
        String name = name(volume.claim());
        Lease found = client.leases().inNamespace(volume.namespace()).withName(name).get();
        if (found != null && holder.equals(found.getSpec().getHolderIdentity())) {
            client.leases()
                    .inNamespace(volume.namespace())
                    .withName(name)
                    .lockResourceVersion(found.getMetadata().getResourceVersion())
                    .delete();
        }
    }

    private static Optional<Instant> takenUntil(Lease lease) {
        String by = lease.getSpec().getHolderIdentity();
        ZonedDateTime since = lease.getSpec().getRenewTime();
        Integer seconds = lease.getSpec().getLeaseDurationSeconds();
        return by == null || by.isEmpty() || since == null || seconds == null
                ? Optional.empty()
                : Optional.of(since.toInstant().plusSeconds(seconds));
    }

    private Lease lease(VolumeKey volume, Duration duration, Instant now, @Nullable String version) {
        ZonedDateTime at = now.atZone(ZoneOffset.UTC);
        return new LeaseBuilder().withNewMetadata()
                .withName(name(volume.claim()))
                .withNamespace(volume.namespace())
                .withResourceVersion(version)
                .addToAnnotations("dormouse.dev/claim", volume.claim())
                .endMetadata()
                .withNewSpec()
                .withHolderIdentity(holder)
                .withLeaseDurationSeconds((int) duration.toSeconds())
                .withAcquireTime(at)
                .withRenewTime(at)
                .endSpec()
                .build();
    }
}
