import type { NodeId } from '../../vfs/api.js';

// Node id and st_ino: 24 bits archive number, 40 bits position (design §6).

const POSITION_HIGH = 0x1_0000_0000;

/** What the kernel calls the root of every FUSE mount (FUSE_ROOT_ID). */
export const ROOT_NODE_LOW = 1;

/** The node a 64-bit id names, given as its halves. */
export function nodeOfWords(low: number, high: number): NodeId {
  return { archive: high >>> 8, position: (high & 0xff) * POSITION_HIGH + low };
}

/** The low 32 bits of a node's id. */
export function nodeLow(node: NodeId): number {
  return node.position >>> 0;
}

/** The high 32 bits of a node's id. */
export function nodeHigh(node: NodeId): number {
  return ((node.archive << 8) | Math.floor(node.position / POSITION_HIGH)) >>> 0;
}

/** Whether both name the same node. */
export function sameNode(a: NodeId, b: NodeId): boolean {
  return a.position === b.position && a.archive === b.archive;
}
