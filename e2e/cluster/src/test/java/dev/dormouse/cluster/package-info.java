@NullMarked
package dev.dormouse.cluster;

import org.jspecify.annotations.NullMarked;
