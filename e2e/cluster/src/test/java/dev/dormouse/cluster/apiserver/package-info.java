@NullMarked
package dev.dormouse.cluster.apiserver;

import org.jspecify.annotations.NullMarked;
