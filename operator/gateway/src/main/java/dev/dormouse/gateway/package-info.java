/** The gateway process: its configuration and its start. */
@NullMarked
package dev.dormouse.gateway;

import org.jspecify.annotations.NullMarked;
