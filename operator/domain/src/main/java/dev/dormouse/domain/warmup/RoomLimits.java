package dev.dormouse.domain.warmup;

import java.util.Map;

/**
 * What a pool has.
 *
 * @param bounded false: nothing is known about GPUs, and nothing waits for one
 * @param resource name of what is counted, for people
 * @param gpusByNode of every ready node
 * @param elasticGpus so many in all may be asked for, whether nodes have them yet or not; 0: only what nodes have
 */
public record RoomLimits(boolean bounded, String pool, String resource, Map<String, Integer> gpusByNode,
        int elasticGpus) {
    public static final RoomLimits UNLIMITED = new RoomLimits(false, "", "", Map.of(), 0);

    public RoomLimits {
        gpusByNode = Map.copyOf(gpusByNode);
    }
}
