/**
 * An OpenAI-compatible engine that computes nothing: it streams words at a settable pace and fails in settable ways, for
 * scenarios and benchmarks of whatever stands in front of engines.
 */
@NullMarked
package dev.dormouse.chat;

import org.jspecify.annotations.NullMarked;
