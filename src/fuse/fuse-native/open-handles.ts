import { CairnError } from '../../core/errors.js';
import type { HandleId, NodeId } from '../../vfs/api.js';
import { sameNode } from '../wire/nodes.js';

export interface OpenHandle {
  readonly handle: HandleId;
  readonly node: NodeId;
}

/** The open files by the numbers libfuse keeps for them, which have 31 bits; 0 is none. */
export class OpenHandles {
  readonly #open = new Map<number, OpenHandle>();
  #last = 0;

  get size(): number {
    return this.#open.size;
  }

  add(handle: HandleId, node: NodeId): number {
    do this.#last = (this.#last % 0x7fff_ffff) + 1;
    while (this.#open.has(this.#last));
    this.#open.set(this.#last, { handle, node });
    return this.#last;
  }

  /** @throws {CairnError} `stale` for a number that is not given out */
  get(number: number): OpenHandle {
    const open = this.#open.get(number);
    if (open === undefined) throw new CairnError('stale', `Handle ${number} is not open`);
    return open;
  }

  remove(number: number): OpenHandle {
    const open = this.get(number);
    this.#open.delete(number);
    return open;
  }

  isOpen(node: NodeId): boolean {
    for (const open of this.#open.values()) if (sameNode(open.node, node)) return true;
    return false;
  }
}
