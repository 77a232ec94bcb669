package dev.dormouse.sidecar.cuda;

/** What an engine does when its sidecar needs it to hold still. Called on the thread that serves the sidecar. */
public interface EngineHooks {
    /** For an engine that never writes to what it has committed. */
    EngineHooks NONE = new EngineHooks() {
        @Override
        public void quiesce(int maxPauseSeconds) {
            // Nothing that is saved changes.
        }

        @Override
        public void resume() {
            // Nothing was stopped.
        }
    };

    /**
     * Finishes what runs, begins nothing, synchronizes the device.
     *
     * @param maxPauseSeconds after which {@link #resume} is called in any case
     */
    void quiesce(int maxPauseSeconds);

    /**
     * The opposite: when the sidecar says so, when a quiesce has failed or lasted too long, when the sidecar is gone. On any
     * thread, and once per quiesce.
     */
    void resume();
}
