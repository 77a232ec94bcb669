@NullMarked
package dev.dormouse.cluster.kubelet;

import org.jspecify.annotations.NullMarked;
