import type { Cutter } from '../native/chunker.js';
import { DYNAMIC_CUTTER, FIXED_CUTTER } from './limits.js';

/** How a large file is cut: where its content says, or every 4 MiB. */
export type ChunkerName = Cutter['kind'];

/** rsync writes NAME as `.NAME.XXXXXX` and renames it when it is complete. */
const RSYNC_TEMPORARY = /^\.(.+)\.[A-Za-z0-9]{6}$/s;

/**
 * Formats that are rewritten in place, so that equal content keeps its offset. An ISO image is not among
 * them: it is built anew each time, and whatever grew shifts the rest.
 */
const DISK_IMAGE = /.\.(?:img|raw|qcow2?|vmdk|vdi|vhdx?)$/is;

/** The chunker a new file of this name gets at its first write; bytes that are no UTF-8 are fine. */
export function chunkerFor(name: Uint8Array): ChunkerName {
  const text = Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
  const final = RSYNC_TEMPORARY.exec(text)?.[1] ?? text;
  return DISK_IMAGE.test(final) ? 'fixed' : 'dynamic';
}

/** The parameters that belong to a chunker's name. */
export function cutterFor(chunker: ChunkerName): Cutter {
  return chunker === 'fixed' ? FIXED_CUTTER : DYNAMIC_CUTTER;
}
