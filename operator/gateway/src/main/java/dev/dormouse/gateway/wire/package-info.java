/** The bytes of a connection before any library reads them: what cannot be read in one way only goes no further. */
@NullMarked
package dev.dormouse.gateway.wire;

import org.jspecify.annotations.NullMarked;
