package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.EngineMessage;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has one engine hold still while its memory is captured: QUIESCE before, RESUME after, whatever happened between. For
 * memory that stays as it is by the engine's own promise only; the kernel seals the rest.
 */
final class EnginePause {
    private static final Logger LOG = LoggerFactory.getLogger(EnginePause.class);
    private static final String UNKNOWN_MESSAGE = "UnexpectedMessage";

    /** The engine was asked and does not hold still: what is read now may be half of something. */
    static final class NotQuietException extends Exception {
        private static final long serialVersionUID = 1L;
        private final String code;

        NotQuietException(String code, String message) {
            super(message);
            this.code = code;
        }

        String code() {
            return code;
        }
    }

    private final Questions questions;
    private final Duration patience;
    private final Duration longest;
    private final CompletableFuture<EngineMessage> gone = new CompletableFuture<>();
    private @Nullable CompletableFuture<EngineMessage> resumed;
    private boolean asked;

    /**
     * @param patience for each of its answers
     * @param longest after which it resumes by itself
     */
    EnginePause(Questions questions, Duration patience, Duration longest) {
        this.questions = questions;
        this.patience = patience;
        this.longest = longest;
    }

    /**
     * Returns when the engine holds still; also when it is gone, or does not know how to, for then all there is is its
     * COMMIT.
     *
     * @throws NotQuietException when it tried and could not, or does not answer
     */
    void begin() throws NotQuietException {
        synchronized (this) {
            asked = true;
        }
        long start = System.nanoTime();
        EngineMessage answer = answer(ask(new EngineMessage.Quiesce((int) Math.max(1, longest.toSeconds()))));
        if (answer == null) {
            throw new NotQuietException("QuiesceTimeout", "the engine has not said within " + patience.toMillis()
                    + " ms that it holds still");
        }
        if (answer instanceof EngineMessage.Failed failed) {
            if (!failed.code().equals(UNKNOWN_MESSAGE)) {
                throw new NotQuietException("QuiesceFailed",
                        "the engine cannot hold still: " + failed.code() + ": " + failed.message());
            }
            LOG.info("the engine does not know how to hold still; what it has committed does not change");
            synchronized (this) {
                asked = false;
            }
            return;
        }
        LOG.info("the engine holds still since {} ms", (System.nanoTime() - start) / 1_000_000);
    }

    /** Returns when the engine has gone on, or nobody knows whether it will. Ends a pause once. */
    void end() {
        CompletableFuture<EngineMessage> going;
        synchronized (this) {
            if (!asked && resumed == null) {
                return;
            }
            if (resumed == null) {
                resumed = ask(new EngineMessage.Resume());
            }
            going = resumed;
        }
        switch (answer(going)) {
            case EngineMessage.Failed failed -> LOG.error("the engine could not go on: {}: {}", failed.code(),
                    failed.message());
            case EngineMessage answer -> LOG.debug("the engine goes on: {}", answer);
            case null ->
                LOG.error("the engine has not said within {} ms that it goes on; it does so by itself after {} s",
                        patience.toMillis(), longest.toSeconds());
        }
    }

    /** Its connection has ended: nobody answers any more. */
    void engineGone() {
        gone.complete(new EngineMessage.Done());
    }

    private CompletableFuture<EngineMessage> ask(EngineMessage question) {
        var answer = new CompletableFuture<EngineMessage>();
        try {
            questions.ask(question, List.of(), answer::complete);
        } catch (IOException e) {
            // It is gone, and with it whatever moved.
            answer.complete(new EngineMessage.Done());
        }
        return answer;
    }

    /** Null when there is none in time. */
    private @Nullable EngineMessage answer(CompletableFuture<EngineMessage> awaited) {
        try {
            return (EngineMessage) CompletableFuture.anyOf(awaited, gone)
                    .get(patience.toMillis(),
                            TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return null;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        } catch (ExecutionException e) {
            throw new IllegalStateException("nobody fails these", e);
        }
    }
}
