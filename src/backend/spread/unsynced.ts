import type { Member } from './member.js';
import type { PlacedPiece } from './spread-writer.js';

interface Group {
  readonly pieces: readonly PlacedPiece[];
  /** So many of them give the objects back. */
  readonly needed: number;
  readonly names: Set<string>;
}

/** Objects put since the last barrier, by where they are: as many as there are such combinations of members. */
export class Unsynced {
  readonly #groups = new Map<string, Group>();

  /** Names are kept of so many objects; what others lack a scrub finds. */
  readonly #namesKept: number;

  constructor(namesKept = 10_000) {
    this.#namesKept = namesKept;
  }

  /** @param needed so many of the pieces give the object back */
  add(name: string, pieces: readonly PlacedPiece[], needed: number): void {
    const places = pieces.map(({ member, epoch }) => `${member.settings.id}@${epoch}`).sort();
    const key = [needed, ...places].join(' ');
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { pieces, needed, names: new Set() };
      this.#groups.set(key, group);
    }
    if (group.names.size < this.#namesKept) group.names.add(name);
  }

  /** Puts back what a barrier could not make durable. */
  addAll(other: Unsynced): void {
    for (const { pieces, needed, names } of other.#groups.values()) {
      for (const name of names) this.add(name, pieces, needed);
    }
  }

  /**
   * After a barrier: the objects that lost pieces by it.
   * @param synced with the epoch the barrier was about
   */
  lost(synced: ReadonlyMap<Member, number>): { readonly bearable: string[]; readonly unbearable: number } {
    const bearable: string[] = [];
    let unbearable = 0;
    for (const { pieces, needed, names } of this.#groups.values()) {
      const left = pieces.filter(({ member, epoch }) => synced.get(member) === epoch).length;
      if (left < needed) unbearable += names.size;
      else if (left < pieces.length) bearable.push(...names);
    }
    return { bearable, unbearable };
  }
}
