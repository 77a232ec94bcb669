/** The gateway's only room with Kubernetes in it: watches models and pods, writes demands. */
@NullMarked
package dev.dormouse.gateway.kube;

import org.jspecify.annotations.NullMarked;
