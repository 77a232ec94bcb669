/** Recorded results as the tables of {@code docs/performance.md}. */
@NullMarked
package dev.dormouse.cli.bench.tables;

import org.jspecify.annotations.NullMarked;
