import type { NodeId } from '../api.js';

/**
 * How many references the kernel holds to each live node: one more with each answer that names it, so many less with each
 * FORGET. Only the count says that a node is given up: the kernel sends a FORGET for what it has evicted also while, or
 * after, it looks the same node up anew. (Nodes of snapshots do not end, so that they need no count.) One thread.
 */
export class KernelReferences {
  readonly #counts = new Map<number, number>();

  /** The kernel gets one more. */
  add({ archive, position }: NodeId): void {
    if (archive === 0) this.#counts.set(position, (this.#counts.get(position) ?? 0) + 1);
  }

  /** The kernel gives `count` of them back. */
  remove({ archive, position }: NodeId, count: number): void {
    if (archive !== 0) return;
    const left = (this.#counts.get(position) ?? 0) - count;
    if (left > 0) this.#counts.set(position, left);
    else this.#counts.delete(position);
  }

  /** Whether the kernel knows the inode. */
  has(ino: number): boolean {
    return this.#counts.has(ino);
  }

  /** How many references to how many nodes there are. */
  figures(): { nodes: number; references: number } {
    let references = 0;
    for (const count of this.#counts.values()) references += count;
    return { nodes: this.#counts.size, references };
  }
}
