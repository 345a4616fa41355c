import type { AttributeRecord } from '../../archive/attributes-record.js';
import type { Placed } from '../../archive/encoder.js';
import type { FolderLink } from '../../archive/reader.js';
import type { ByteRange } from '../../core/ranges.js';
import type { TreeNode } from './tree-source.js';

/** A hole below this is not worth telling: it reads as zeros all the same. */
const LEAST_HOLE_BYTES = 64 * 1024;

/** What the attributes stream says of an entry. */
export function attributesOf(
  node: TreeNode,
  placed: Placed,
  extra: { readonly folder?: FolderLink; readonly holes?: readonly ByteRange[]; readonly sameAs?: number },
): AttributeRecord {
  return {
    entryPosition: placed.entryPosition,
    nlink: node.nlink,
    ...(node.ctimeUnknown !== true && { ctime: { seconds: node.ctimeSec, nanoseconds: node.ctimeNsec } }),
    ...(node.btimeUnknown !== true && { btime: { seconds: node.btimeSec, nanoseconds: node.btimeNsec } }),
    xattrs: placed.left,
    holes: extra.holes ?? [],
    ...(extra.folder && { folder: extra.folder }),
    ...(extra.sameAs !== undefined && { sameAs: extra.sameAs }),
  };
}

/** The holes of a file that are worth telling. @param extents by offset */
export function holesOf(
  fileBytes: number,
  extents: readonly { readonly offset: number; readonly length: number }[],
): ByteRange[] {
  const holes: ByteRange[] = [];
  let at = 0;
  for (const { offset, length } of extents) {
    if (offset - at >= LEAST_HOLE_BYTES) holes.push({ start: at, end: offset });
    at = offset + length;
  }
  if (fileBytes - at >= LEAST_HOLE_BYTES) holes.push({ start: at, end: fileBytes });
  return holes;
}
