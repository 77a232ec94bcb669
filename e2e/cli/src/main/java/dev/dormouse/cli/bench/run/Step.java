package dev.dormouse.cli.bench.run;

import java.io.IOException;

/** One start, or what prepares starts. Two benches of the same plan have the same steps, and take them in turn. */
@FunctionalInterface
public interface Step {
    /** @throws IOException when the start fails, naming why, with the last lines that its containers wrote */
    void take() throws IOException, InterruptedException;
}
