import { type Digest, digestHex } from '../../core/digest.js';
import type { CareContext } from '../job/care-context.js';
import { archiveUses } from './archive-uses.js';
import { type ChunkUse, WantedChunks } from './chunk-use.js';
import { liveUses } from './live-uses.js';

/** A chunk that cannot be read as it is. */
export interface BadChunk {
  readonly digest: Digest;
  /** Plain length in bytes. */
  readonly length: number;
  readonly condition: 'corrupt' | 'absent' | 'unreadable';
}

/** What people are told of a damaged chunk. */
export interface DamagedChunk {
  /** In hex. */
  readonly digest: string;
  readonly lengthBytes: number;
  readonly condition: BadChunk['condition'];
  /** What needs it, as paths in the mount: live files first, then those of snapshots. */
  readonly files: readonly string[];
  /** How many more there are. */
  readonly moreFiles: number;
}

/** Names kept of one chunk; a pack has some hundred files, and each may be in every snapshot. */
const MAX_NAMES = 500;
const MAX_USES = 20_000;

interface Damage {
  readonly chunk: BadChunk;
  readonly uses: Map<string, ChunkUse>;
  readonly names: Set<string>;
  more: number;
}

/** Damaged chunks and what needs them. */
export class DamageMap {
  readonly #damages = new Map<string, Damage>();

  private constructor(bad: readonly BadChunk[]) {
    for (const chunk of bad) {
      this.#damages.set(digestHex(chunk.digest), { chunk, uses: new Map(), names: new Set(), more: 0 });
    }
  }

  /** Looks through live trees and finished snapshots, all of them, once. */
  static async of(context: CareContext, bad: readonly BadChunk[]): Promise<DamageMap> {
    const map = new DamageMap(bad);
    if (bad.length === 0) return map;
    context.progress({ step: 'finding the files concerned', done: 0, unit: 'items' });
    const wanted = new WantedChunks(bad.map(({ digest }) => digest));
    for await (const use of liveUses(context, wanted)) map.#add(use);
    for await (const use of archiveUses(context, wanted)) map.#add(use);
    return map;
  }

  get chunks(): BadChunk[] {
    return [...this.#damages.values()].map(({ chunk }) => chunk);
  }

  /** What needs the chunk; of equal paths in several trees one. */
  usesOf(digest: Digest): ChunkUse[] {
    return [...(this.#damages.get(digestHex(digest))?.uses.values() ?? [])];
  }

  /** The chunk as people are told of it. */
  describe({ digest, length, condition }: BadChunk): DamagedChunk {
    const damage = this.#damages.get(digestHex(digest));
    return {
      digest: digestHex(digest),
      lengthBytes: length,
      condition,
      files: [...(damage?.names ?? [])],
      moreFiles: damage?.more ?? 0,
    };
  }

  #add(use: ChunkUse): void {
    const damage = this.#damages.get(digestHex(use.digest));
    if (damage === undefined) return;
    if (damage.names.size < MAX_NAMES) damage.names.add(use.shown);
    else if (!damage.names.has(use.shown)) damage.more += 1;
    if (use.length > 0 && damage.uses.size < MAX_USES) damage.uses.set(keyOf(use), use);
  }
}

/** The same for uses whose bytes come from the same place. */
function keyOf({ at, length, file }: ChunkUse): string {
  return file === undefined
    ? `${at}+${length}`
    : `${at}+${length} ${file.group} ${file.offset} ${file.path.toString('latin1')}`;
}
