package dev.dormouse.cli.bench.plot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.figures.Figure.Better;
import java.awt.image.BufferedImage;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page, opened in a real browser. */
class PlotPageTest {
    private static final List<String> STEPS = List.of("request_to_decision", "decision_to_pod", "pod_to_node",
            "node_to_sidecar", "outside_phases", "weight_load", "kernel_compile", "warmup_inference",
            "ready_to_answer");
    /** Points at the first bar once everything is drawn, as a mouse would. */
    private static final String HOVER = """
                                        <script>document.querySelector('#waterfall [data-key^=cold][data-key$=outside_phases]')
                                        .dispatchEvent(new MouseEvent('mouseover', {bubbles: true, clientX: 300, clientY: 300}));</script>
                                        """;
    @TempDir
    Path folder;

    @Test
    @DisplayName("The page loads nothing from anywhere, whatever a name in a result says")
    void isSelfContained() throws Exception {
        String page = new PlotPage(List.of(result("</script><script>alert(1)</script>", 1)), List.of()).html();

        assertThat(Pattern.compile("(src|href)\\s*=|@import|url\\(|fetch\\(|XMLHttpRequest|import\\(")
                .matcher(page)
                .results())
                .isEmpty();
        assertThat(page).doesNotContain("<script>alert").doesNotContain("/*DATA*/").doesNotContain("/*STYLE*/");
    }

    @Test
    @DisplayName("R30, R32: a browser draws a bar per step, a dot per start, a point per run, and shows values on hover")
    void aBrowserDrawsIt() throws Exception {
        String dom = browse(page(HOVER), "--dump-dom");

        assertThat(dom).contains("data-drawn").doesNotContain("data-error");
        for (String kind : List.of("cold", "restore")) {
            assertThat(count(dom, "data-key=\"" + kind + "\\.(" + String.join("|", STEPS) + ")\""))
                    .isEqualTo(STEPS.size());
            assertThat(count(dom, "data-sample=\"" + kind + "\"")).isEqualTo(12);
            assertThat(count(dom, "data-shape=\"" + kind + "\"")).isEqualTo(1);
        }
        assertThat(count(dom, "data-run=\"")).isEqualTo(3);
        assertThat(count(dom, "<option value=\"[0-9]\"")).as("two results to choose from").isEqualTo(2);
        assertThat(dom).containsPattern("<div id=\"tip\" role=\"status\" style=[^>]*>Cold start: engine starts\nmean ");
        assertThat(dom).contains("<div class=\"name\">Warm request</div>");
    }

    @Test
    @DisplayName("In light and in dark, the picture is not blank and no part of it is empty")
    void thePictureShowsSomething() throws Exception {
        for (String theme : List.of("light", "dark")) {
            Path png = folder.resolve(theme + ".png");
            browse(page(""), "#" + theme, "--screenshot=" + png, "--window-size=1180,2300", "--hide-scrollbars");

            BufferedImage picture = ImageIO.read(png.toFile());
            assertThat(picture.getWidth()).isEqualTo(1180);
            assertThat(brightness(picture.getRGB(2, 2)) > 128).isEqualTo(theme.equals("light"));
            for (int top = 0; top + 230 <= 2070; top += 230) {
                assertThat(colours(picture, top, top + 230)).as("%s, from %d", theme, top).hasSizeGreaterThan(12);
            }
        }
    }

    @Test
    @DisplayName("A result with one start of one kind is a page too")
    void littleIsEnough() throws Exception {
        BenchResult one = new BenchResult(BenchResult.SCHEMA, "r", "2026-01-02T03:04:05Z", "one", "dormouse bench run",
                Map.of(), Map.of("restore.total", millis(List.of(812.0))), Map.of(), Map.of(), List.of());
        Path page = folder.resolve("one.html");
        Files.writeString(page, new PlotPage(List.of(one), List.of()).html());

        assertThat(browse(page, "--dump-dom")).contains("data-drawn").doesNotContain("data-error").contains("812");
    }

    private Path page(String script) throws Exception {
        Path page = folder.resolve("page.html");
        List<BenchResult> runs = List.of(result("a", 1), result("b", 2), result("c", 3));
        Files.writeString(page, new PlotPage(runs.subList(0, 2), runs).html().replace("</body>", script + "</body>"));
        return page;
    }

    private String browse(Path page, String... options) throws Exception {
        Optional<Path> browser = Stream.of(System.getenv("PATH").split(File.pathSeparator))
                .flatMap(path -> Stream.of("chromium", "chromium-browser", "google-chrome")
                        .map(name -> Path.of(path, name)))
                .filter(Files::isExecutable)
                .findFirst();
        assumeTrue(browser.isPresent(), "no chromium on the PATH");
        String anchor = options[0].startsWith("#") ? options[0] : "";
        List<String> command = new ArrayList<>(List.of(browser.get().toString(), "--headless", "--disable-gpu",
                "--no-sandbox", "--no-first-run", "--disable-extensions", "--disable-background-networking",
                "--user-data-dir=" + folder.resolve("profile"), "--virtual-time-budget=2000"));
        Stream.of(options).filter(option -> !option.startsWith("#")).forEach(command::add);
        command.add(page.toUri() + anchor);
        Process process = new ProcessBuilder(command).redirectError(folder.resolve("browser.log").toFile()).start();
        String dom = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(() -> log()).isZero();
        return dom;
    }

    private String log() {
        try {
            return Files.readString(folder.resolve("browser.log"));
        } catch (java.io.IOException e) {
            return e.toString();
        }
    }

    private static long count(String text, String pattern) {
        return Pattern.compile(pattern).matcher(text).results().count();
    }

    private static Set<Integer> colours(BufferedImage picture, int top, int bottom) {
        Set<Integer> colours = new HashSet<>();
        for (int y = top; y < bottom; y += 2) {
            for (int x = 0; x < picture.getWidth(); x += 2) {
                colours.add(picture.getRGB(x, y));
            }
        }
        return colours;
    }

    private static int brightness(int rgb) {
        return ((rgb >> 16 & 255) + (rgb >> 8 & 255) + (rgb & 255)) / 3;
    }

    private static BenchResult result(String ref, long seed) {
        Random random = new Random(seed);
        Map<String, Measurement> measured = new TreeMap<>();
        for (String kind : List.of("cold", "restore")) {
            double scale = kind.equals("cold") ? 2 : 1;
            STEPS.forEach(step -> measured.put(kind + "." + step, jittered(random, 90 * scale)));
            measured.put(kind + ".total", jittered(random, 900 * scale));
        }
        measured.put("gateway.through", jittered(random, 9));
        measured.put("restore.to_cold", new Measurement("ratio", Better.Lower, List.of(0.5, 0.4), List.of()));
        return new BenchResult(BenchResult.SCHEMA, "run" + seed, "2026-01-0" + seed + "T03:04:05Z", ref,
                "dormouse bench run", Map.of("cores", "2"), measured, Map.of("operator.classes", 9000L),
                Map.of("sidecar.jcuda", true), List.of("a note"));
    }

    private static Measurement jittered(Random random, double centre) {
        return millis(random.doubles(12, 0.8, 1.3).mapToObj(jitter -> centre * jitter).toList());
    }

    private static Measurement millis(List<Double> samples) {
        return new Measurement("ms", Better.Lower, samples, List.of());
    }
}
