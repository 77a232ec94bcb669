/** What the decisions talk about: models and their replicas as plain values. Imports the JDK only. */
@NullMarked
package dev.dormouse.domain.fleet;

import org.jspecify.annotations.NullMarked;
