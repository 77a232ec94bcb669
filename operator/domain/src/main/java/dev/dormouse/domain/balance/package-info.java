/** Which of a model's replicas a request goes to, and which are left out for a while. Pure; one owner per instance. */
@NullMarked
package dev.dormouse.domain.balance;

import org.jspecify.annotations.NullMarked;
