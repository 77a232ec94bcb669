/** What the gateway knows of the cluster, and how a request names a model. No I/O. */
@NullMarked
package dev.dormouse.gateway.route;

import org.jspecify.annotations.NullMarked;
