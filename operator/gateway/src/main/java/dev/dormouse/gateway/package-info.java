/** The gateway process: its configuration, its parts put together, its end. */
@NullMarked
package dev.dormouse.gateway;

import org.jspecify.annotations.NullMarked;
