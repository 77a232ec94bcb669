/** What an engine written in Java uses to keep its memory in the sidecar and to get it back after a restart. */
@NullMarked
package dev.dormouse.sidecar.client;

import org.jspecify.annotations.NullMarked;
