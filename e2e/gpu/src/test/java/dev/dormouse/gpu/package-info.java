@NullMarked
package dev.dormouse.gpu;

import org.jspecify.annotations.NullMarked;
