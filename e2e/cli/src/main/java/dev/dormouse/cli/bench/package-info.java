/** Results of the bench: samples, statistics, comparison, targets. Pure, but for the files. */
@NullMarked
package dev.dormouse.cli.bench;

import org.jspecify.annotations.NullMarked;
