/** Local mode: a whole Dormouse on one machine, from the checkout's builds. */
@NullMarked
package dev.dormouse.cli.local;

import org.jspecify.annotations.NullMarked;
