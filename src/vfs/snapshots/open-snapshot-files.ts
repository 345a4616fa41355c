import type { HandleId, NodeId } from '../api.js';

/** Handles from here on are of files that are not in a live tree; live files' stay far below. */
const FIRST_HANDLE = 2 ** 40;

/** Open files of snapshots, and open files that the daemon makes up: their node is all there is to know. */
export class OpenSnapshotFiles {
  readonly #nodes = new Map<HandleId, NodeId>();
  #last: HandleId = FIRST_HANDLE;

  open(node: NodeId): HandleId {
    this.#last += 1;
    this.#nodes.set(this.#last, node);
    return this.#last;
  }

  has(handle: HandleId): boolean {
    return this.#nodes.has(handle);
  }

  node(handle: HandleId): NodeId | undefined {
    return this.#nodes.get(handle);
  }

  /** @returns false where the handle is none of these */
  close(handle: HandleId): boolean {
    return this.#nodes.delete(handle);
  }
}
