/**
 * Who wrote a snapshot, and who may read it. {@link dev.dormouse.sidecar.trust.ManifestSignature} proves the writer,
 * {@link dev.dormouse.sidecar.trust.ChunkCipher} keeps chunks secret and bound to their volume. Needs only the JDK; opens no files.
 */
@NullMarked
package dev.dormouse.sidecar.trust;

import org.jspecify.annotations.NullMarked;
