/**
 * The snapshot's files, byte by byte. All numbers are little-endian; {@code docs/snapshot-format.md} is the same for
 * people.
 *
 * <pre>
 * &lt;volume&gt;/packs/&lt;snapshot id&gt;-&lt;n&gt;.pack
 *     0      4096   header: magic "DORMOUSE-PACK\n", u32 version at 16, zeros, u32 CRC32C of bytes 0–4091 at 4092
 *     4096   …      stored chunks, each at a multiple of 4096, gaps are zero
 *     end    4096   footer: magic "DORMOUSE-PEND\n", u64 length of the whole file at 16, zeros, u32 CRC32C at 4092
 *
 * &lt;volume&gt;/snapshots/&lt;snapshot id&gt;/chunks.tbl
 *     0      32     magic "DORMOUSE-CHUNKS\n", u32 version at 16, u32 count at 20, zeros
 *     32     64×n   chunk: u32 pack, u32 codec, u64 offset in the pack, u32 stored length, u32 raw length,
 *                   u32 CRC32C of the stored bytes, u32 zero, 32 bytes SHA-256 of the raw bytes
 *     end    4      u32 CRC32C of everything before
 *
 * &lt;volume&gt;/snapshots/&lt;snapshot id&gt;/manifest.json      {"manifest": {…}, "crc32c": "…"}, published last
 * &lt;volume&gt;/snapshots/&lt;snapshot id&gt;/quarantined.json   why this snapshot is never used again
 * </pre>
 */
@NullMarked
package dev.dormouse.sidecar.format;

import org.jspecify.annotations.NullMarked;
