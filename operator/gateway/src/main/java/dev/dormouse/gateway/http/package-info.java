/**
 * The proxy itself: one event loop owns every request, the hold core and both servers, so that nothing here needs a
 * lock. The only package, besides the process's main, that knows Vert.x.
 */
@NullMarked
package dev.dormouse.gateway.http;

import org.jspecify.annotations.NullMarked;
