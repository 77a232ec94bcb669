package dev.dormouse.cluster.apiserver;

import java.io.IOException;
import java.io.InputStream;
import java.util.OptionalLong;

/** Where {@code kubectl logs} comes from: whoever runs the containers. */
public interface PodLogs {

    /**
     * @param container never empty: the server has chosen one when the client did not
     * @param follow keep the stream open while the container runs
     * @param previous of the container's last run instead of the present one
     * @param tailLines only the last so many lines
     */
    record Request(String namespace, String pod, String podUid, String container, boolean follow, boolean previous,
            OptionalLong tailLines) {}

    /**
     * Opens the log of one container. The server reads it to its end, and closes it then or when a
     * write finds the client gone.
     *
     * @throws IOException with a message for the user when there is none, for instance because the container has not
     *     started
     */
    InputStream open(Request request) throws IOException;
}
