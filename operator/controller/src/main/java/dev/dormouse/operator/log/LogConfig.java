package dev.dormouse.operator.log;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.Encoder;
import ch.qos.logback.core.spi.ContextAwareBase;
import java.util.Map;
import net.logstash.logback.encoder.LogstashEncoder;

/**
 * Configures Logback, which finds it as a service: text for people, or one JSON object per line whose fields are
 * {@link LogKeys}. In code, because parsing a configuration file costs a tenth of the operator's start.
 */
public final class LogConfig extends ContextAwareBase implements Configurator {
    public static final String FORMAT = "DORMOUSE_LOG_FORMAT";
    public static final String LEVEL = "DORMOUSE_LOG_LEVEL";
    private static final String PATTERN = "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX, UTC} %-5level %msg %kvp%n";

    @Override
    public ExecutionStatus configure(LoggerContext context) {
        configure(context, System.getenv());
        return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
    }

    /** A bad value is read as the default: {@code OperatorConfig} refuses it, and its message is to be seen. */
    static void configure(LoggerContext context, Map<String, String> environment) {
        ConsoleAppender<ILoggingEvent> console = new ConsoleAppender<>();
        console.setContext(context);
        console.setName("console");
        console.setTarget("System.err");
        console.setEncoder(encoder(context, environment));
        console.start();
        Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        root.setLevel(Level.toLevel(environment.get(LEVEL), Level.INFO));
        root.addAppender(console);
    }

    static Encoder<ILoggingEvent> encoder(LoggerContext context, Map<String, String> environment) {
        return "json".equals(environment.get(FORMAT)) ? json(context) : text(context);
    }

    private static Encoder<ILoggingEvent> text(LoggerContext context) {
        PatternLayoutEncoder text = new PatternLayoutEncoder();
        text.setContext(context);
        text.setPattern(PATTERN);
        text.start();
        return text;
    }

    private static Encoder<ILoggingEvent> json(LoggerContext context) {
        LogstashEncoder json = new LogstashEncoder();
        json.setContext(context);
        json.setIncludeMdc(false);
        json.getFieldNames().setTimestamp("time");
        json.getFieldNames().setVersion("[ignore]");
        json.getFieldNames().setLogger("logger");
        json.getFieldNames().setThread("thread");
        json.getFieldNames().setLevelValue("[ignore]");
        json.getFieldNames().setStackTrace("error");
        json.setTimeZone("UTC");
        json.start();
        return json;
    }
}
