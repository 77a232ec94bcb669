/** Results as a page to look at. */
@NullMarked
package dev.dormouse.cli.bench.plot;

import org.jspecify.annotations.NullMarked;
