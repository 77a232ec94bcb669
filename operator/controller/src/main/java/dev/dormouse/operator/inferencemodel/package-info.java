/** The reconciler of InferenceModel: gathers what is so, asks the domain, carries out the plan. */
@NullMarked
package dev.dormouse.operator.inferencemodel;

import org.jspecify.annotations.NullMarked;
