/**
 * Who may warm up now. {@link dev.dormouse.domain.warmup.WarmupScheduler} is requirement H41–H51 without the flaws
 * H65 and H68–H71: slots belong to replicas, are idempotent, expire, and waiting replicas age.
 */
@NullMarked
package dev.dormouse.domain.warmup;

import org.jspecify.annotations.NullMarked;
