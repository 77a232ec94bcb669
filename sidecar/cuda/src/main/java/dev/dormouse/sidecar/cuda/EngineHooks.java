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

    /** Finishes what runs, begins nothing, synchronizes the device. Resumes by itself after so many seconds. */
    void quiesce(int maxPauseSeconds);

    void resume();
}
