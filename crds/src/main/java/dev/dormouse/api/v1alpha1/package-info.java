/** The resource types of {@code dormouse.dev/v1alpha1}: the source of the CRD YAML. Data only. */
@NullMarked
package dev.dormouse.api.v1alpha1;

import org.jspecify.annotations.NullMarked;
