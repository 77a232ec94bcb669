package dev.dormouse.cli.demo;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;

/** Notes when a watcher first sees each pod. */
record PodWatcher(Demo demo) implements ResourceEventHandler<Pod> {

    @Override
    public void onAdd(Pod pod) {
        demo.saw(pod);
    }

    @Override
    public void onUpdate(Pod before, Pod after) {
        demo.saw(after);
    }

    @Override
    public void onDelete(Pod pod, boolean finalStateUnknown) {
        // What was seen stays seen: the trace is read after the pod may be gone.
    }
}
