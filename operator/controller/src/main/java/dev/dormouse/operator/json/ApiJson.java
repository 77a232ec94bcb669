package dev.dormouse.operator.json;

import io.fabric8.kubernetes.client.utils.KubernetesSerialization;

/**
 * The one mapper of API objects in this process, the client's included: each has caches of its own for every class it meets,
 * and Pod alone reaches hundreds.
 */
public final class ApiJson {
    public static final KubernetesSerialization SHARED = new KubernetesSerialization();

    private ApiJson() {}
}
