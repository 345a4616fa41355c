import type { ShardGroup } from '../../core/shard-group.js';
import type { MendedObject, Spread } from '../../datastore/object-store.js';

/** What one backend has, compared with what it should have. Counts of pieces. */
export interface ComparedBackend {
  readonly id: string;
  /** They were put there, and it answers that it has them no more. */
  readonly missing: number;
  /** It has them, and nothing needs them: they are of chunks nobody knows, or left over from another form of a chunk. */
  readonly orphaned: number;
}

/** Names of missing pieces that are told one by one. */
const NAMED = 100;

/**
 * Compares where pieces were put with what backends say they have. Only what a backend says itself counts: one that does
 * not answer lacks nothing.
 */
export class PieceComparison {
  readonly #spread: Spread;
  readonly #backends = new Map<string, { missing: number; orphaned: number }>();
  readonly #named: string[] = [];

  constructor(spread: Spread) {
    this.#spread = spread;
  }

  /**
   * @param recorded what was known of the object before
   * @param mended what was found, of an object that should be there or is
   * @param isStray whether the catalog does not know it
   */
  add(name: string, recorded: ShardGroup | undefined, mended: MendedObject, isStray: boolean): void {
    const { group, absent } = mended.found;
    // A record of another object under the name is only behind.
    const isSame = recorded !== undefined && (group === undefined || group.generation === recorded.generation);
    for (const [index, id] of isSame ? recorded.places : []) {
      if (!absent.includes(id)) continue;
      this.#of(id).missing += 1;
      if (this.#named.length < NAMED) this.#named.push(`${name}: piece ${index} is missing on ${id}`);
    }
    if (isStray) for (const id of group?.places.values() ?? []) this.#of(id).orphaned += 1;
    for (const { settings } of mended.surplus) if (!settings.draining) this.#of(settings.id).orphaned += 1;
  }

  /** All backends there are, in the order of the config. */
  backends(): ComparedBackend[] {
    return this.#spread.members.all.map(({ settings: { id } }) => ({ id, ...this.#of(id) }));
  }

  /** Which pieces are missing where, the first hundred. */
  get missingPieces(): readonly string[] {
    return this.#named;
  }

  #of(id: string): { missing: number; orphaned: number } {
    const known = this.#backends.get(id);
    if (known !== undefined) return known;
    const made = { missing: 0, orphaned: 0 };
    this.#backends.set(id, made);
    return made;
  }
}
