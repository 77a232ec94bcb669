package dev.dormouse.chat;

import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;

/**
 * Starts the engine; it serves until it is killed. Configured by {@code BIND}, {@code PORT}, {@code CHAT_MODEL},
 * {@code CHAT_LOAD_MILLIS}, {@code CHAT_TOKENS}, {@code CHAT_TOKENS_PER_SECOND} and {@code CHAT_FAULT}.
 */
public final class ChatEngineMain {

    private ChatEngineMain() {}

    public static void main(String[] arguments) throws IOException {
        // Else every small event waits for the acknowledgement of the one before.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        System.setProperty("sun.net.httpserver.maxIdleConnections", "20000");
        Map<String, String> env = System.getenv();
        ChatSettings settings;
        int port;
        try {
            settings = new ChatSettings(env.getOrDefault("CHAT_MODEL", "chat"),
                    Duration.ofMillis(number(env, "CHAT_LOAD_MILLIS", 0)), number(env, "CHAT_TOKENS", 100),
                    number(env, "CHAT_TOKENS_PER_SECOND", 0), Fault.named(env.getOrDefault("CHAT_FAULT", "None")));
            port = number(env, "PORT", 8000);
        } catch (IllegalArgumentException e) {
            System.err.println("chat engine: " + e.getMessage());
            System.exit(2);
            return;
        }
        ChatEngine engine = new ChatEngine(settings, env.getOrDefault("BIND", "0.0.0.0"), port, Clock.systemUTC());
        System.err.println("chat engine: " + settings.model() + " on port " + engine.port());
    }

    private static int number(Map<String, String> env, String key, int otherwise) {
        String text = env.getOrDefault(key, Integer.toString(otherwise));
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(key + "=\"" + text + "\" is not a whole number", e);
        }
    }
}
