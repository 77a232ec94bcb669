/** Measured figures as JSON: the one format every benchmark of the project writes. */
@NullMarked
package dev.dormouse.cli.figures;

import org.jspecify.annotations.NullMarked;
