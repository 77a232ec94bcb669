@org.jspecify.annotations.NullMarked
package dev.dormouse.sidecar.safetensors;
