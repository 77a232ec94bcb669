package dev.dormouse.cli.bench.plot;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.cli.bench.BenchResult;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.Matcher;

/**
 * One HTML file that holds everything it needs: styles, the script that draws, and the results as JSON.
 *
 * @param results what is shown in detail, the first one first; never empty
 * @param trend further results over time, oldest first
 */
public record PlotPage(List<BenchResult> results, List<BenchResult> trend) {
    private static final ObjectMapper JSON = new ObjectMapper();

    public PlotPage {
        results = List.copyOf(results);
        trend = List.copyOf(trend);
        if (results.isEmpty()) {
            throw new IllegalArgumentException("a page without a result");
        }
    }

    public String html() throws IOException {
        return put(put(put(resource("report.html"), "STYLE", resource("report.css")), "SCRIPT", resource("report.js")),
                "DATA", data());
    }

    private static String put(String page, String mark, String text) {
        return page.replaceFirst("/\\*" + mark + "\\*/", Matcher.quoteReplacement(text));
    }

    /** Inside of a script element only the character that could end it needs escaping. */
    private String data() throws JsonProcessingException {
        return JSON.writeValueAsString(this).replace("<", "\\u003c");
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = PlotPage.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IOException(name + " is not on the class path");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
