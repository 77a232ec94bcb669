/**
 * The bytes of a snapshot volume: what is written where, and what a reader refuses. Pure: values in, bytes out; no file
 * is opened here. {@code docs/snapshot-format.md} is the same text with the reasons.
 *
 * <pre>
 * packs/&lt;pack-id&gt;.pack                 immutable chunk data, at most 4 GiB
 *   0      4096   header: magic, "dormouse-pack", versions, alignment, pack id, CRC32C
 *   4096   …      chunks, each at a multiple of 4096; gaps are zero and mean nothing
 *   end    4096   footer: magic, "dormouse-pack-end", versions, pack id, chunk count, footer offset, CRC32C
 * snapshots/&lt;id&gt;/chunks.tbl            64-byte header, then one 64-byte record per chunk, little-endian
 * snapshots/&lt;id&gt;/manifest.json         the head for people; its last line is a CRC32C of all lines before it
 * snapshots/&lt;id&gt;/manifest.sig         an Ed25519 signature over the manifest's bytes and the volume's name, if signed
 * snapshots/&lt;id&gt;/quarantined.json      present: never restored again, with the reason
 * keys/&lt;key id&gt;.key                  the volume's key, wrapped, if encrypted
 * restores/&lt;…&gt;                        how fast a restore was; an empty file whose name says it
 * intents/&lt;id&gt;~&lt;pod&gt;~&lt;instance&gt;     present: this save has not been published yet
 * </pre>
 *
 * <p>The content of a snapshot is a list of <em>extents</em>: the files of the file set, then the allocations, both in
 * manifest order. Each extent is cut from its start into pieces of {@code chunkBytes}, the last one shorter; the chunk
 * table lists the pieces in exactly that order, so a record needs no target and targets cannot overlap.
 *
 * <p>A snapshot exists when its {@code manifest.json} does. It is the last thing written and names length, CRC32C and
 * digest of everything else it depends on.
 */
@NullMarked
package dev.dormouse.sidecar.format;

import org.jspecify.annotations.NullMarked;
