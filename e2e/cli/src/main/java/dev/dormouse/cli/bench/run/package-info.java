/** The bench itself: fresh starts of copies of a model, and what they show. */
@NullMarked
package dev.dormouse.cli.bench.run;

import org.jspecify.annotations.NullMarked;
