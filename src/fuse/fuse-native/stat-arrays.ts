import type { Attributes, FileSystemFigures } from '../../vfs/api.js';
import { nodeHigh, nodeLow } from '../wire/nodes.js';
import { NAME_MAX_BYTES } from '../wire/request.js';

const BLOCK_SIZE_BYTES = 4096;
const HIGH = 2 ** 32;

/** Two words, the low one first; seconds before 1970 in two's complement. */
function words(value: number): [low: number, high: number] {
  const high = Math.floor(value / HIGH);
  return [value - high * HIGH, high];
}

/** What the patched package takes as a `struct stat` (`populate_stat`). */
export function statArray(attributes: Attributes): Uint32Array {
  const { mode, uid, gid, size, nlink, node, rdev, blocks } = attributes;
  return Uint32Array.of(
    ...[mode, uid, gid, ...words(size), 0, nlink, nodeLow(node), nodeHigh(node), rdev],
    ...[BLOCK_SIZE_BYTES, ...words(blocks)],
    ...[...words(attributes.atimeSec), attributes.atimeNsec],
    ...[...words(attributes.mtimeSec), attributes.mtimeNsec],
    ...[...words(attributes.ctimeSec), attributes.ctimeNsec],
  );
}

/** What the patched package takes as a `struct statvfs` (`populate_statvfs`). */
export function figuresArray(figures: FileSystemFigures): Uint32Array {
  const blocks = (bytes: number) => words(Math.floor(bytes / BLOCK_SIZE_BYTES));
  return Uint32Array.of(
    ...[BLOCK_SIZE_BYTES, BLOCK_SIZE_BYTES],
    ...[...blocks(figures.totalBytes), ...blocks(figures.freeBytes), ...blocks(figures.availableBytes)],
    ...[...words(figures.files), ...words(figures.freeFiles), ...words(figures.freeFiles)],
    ...[0, 0, NAME_MAX_BYTES],
  );
}
