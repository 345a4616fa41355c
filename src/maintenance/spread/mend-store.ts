import {
  chunkFolders,
  chunkName,
  chunkOfName,
  parseQuarantineName,
  QUARANTINE_FOLDER,
} from '../../chunkstore/layout.js';
import type { Digest } from '../../core/digest.js';
import { CairnError } from '../../core/errors.js';
import type { ShardGroup } from '../../core/shard-group.js';
import { readConfig } from '../../datastore/config.js';
import type { MendedObject, Spread } from '../../datastore/object-store.js';
import { chunksIn } from '../check/chunk-files.js';
import type { DamagedChunk } from '../damage/damage-map.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { atOnce } from '../verify/at-once.js';
import { verifySuspects } from '../verify/verify-suspects.js';
import { copyIndexes } from './copy-indexes.js';
import { type ComparedBackend, PieceComparison } from './piece-comparison.js';
import { WantedRedundancy } from './wanted-redundancy.js';

/** How to look after the pieces of all chunks. */
export interface MendOptions {
  /** Store what is missing and remove what is surplus; else only say what would be. */
  readonly apply: boolean;
  /** Path of a group: only its chunks are given the redundancy they should have, and only by headers is it told who has it. */
  readonly group?: string | undefined;
}

/** What was found, and done unless it was only looked. Counts of objects: chunks, and those in quarantine. */
export interface MendReport {
  readonly objects: number;
  readonly whole: number;
  /** Pieces were missing, damaged, on a backend that is being emptied, or of another redundancy; now they are not. */
  readonly mended: number;
  /** The same, but not all of it could be mended (yet). */
  readonly degraded: number;
  /** Too few pieces are left. */
  readonly lost: number;
  /** Backends that do not answer may have what is missing. */
  readonly unknown: number;
  /** Chunks the catalog says are there, of which no backend has anything. */
  readonly missing: number;
  /** Chunks the catalog does not know: garbage collection takes them. */
  readonly strays: number;
  readonly removedPieces: number;
  /** Every backend compared with what was put there; for a group alone, only as far as its chunks were looked at. */
  readonly backends: readonly ComparedBackend[];
  /** Which pieces are missing where, the first hundred. */
  readonly missingPieces: readonly string[];
  /** Of lost and missing chunks, what needs them. */
  readonly damaged: readonly DamagedChunk[];
  /** Names of some objects that are not whole, and why. */
  readonly problems: readonly string[];
  /** Whether every object is as the redundancy has it. */
  readonly complete: boolean;
}

const OBJECTS_AT_ONCE = 4;
const SHOWN_PROBLEMS = 100;

type Counts = {
  -readonly [K in keyof Omit<MendReport, 'damaged' | 'problems' | 'complete' | 'backends' | 'missingPieces'>]: number;
};

/**
 * Reads every piece of every chunk and makes good what is missing: so it repairs, empties backends, and brings another
 * redundancy about. It can be broken off at any time and begun anew: what is right is left as it is.
 * @throws {CairnError} `invalid` where the datastore has one folder; `unreachable` where backends cannot be listed
 */
export async function mendStore(context: CareContext, { apply, group }: MendOptions): Promise<MendReport> {
  const { spread } = context;
  if (spread === undefined) throw new CairnError('invalid', 'The datastore has one folder, and no other backends');
  const wanted = new WantedRedundancy(context, readConfig(context.paths));
  const run = new MendRun(context, spread, wanted, apply);
  if (group !== undefined) {
    await run.raise(wanted.chunksOf(group));
    return run.end();
  }
  const folders = chunkFolders(context.prefixDigits);
  for (const [done, folder] of folders.entries()) {
    context.progress({ step: 'mending chunks', done, total: folders.length, unit: 'items' });
    await run.folder(
      folder,
      [...chunksIn(context, folder)].map(({ digest }) => digest),
    );
  }
  await run.folder(QUARANTINE_FOLDER, []);
  const report = await run.end();
  if (apply) context.shards?.compared(context.clock.now().seconds);
  return report;
}

/** Pieces of an object that may go once the others are durable. */
interface Surplus {
  readonly name: string;
  readonly members: MendedObject['surplus'];
}

class MendRun {
  readonly #context: CareContext;
  readonly #spread: Spread;
  readonly #wanted: WantedRedundancy;
  readonly #apply: boolean;
  readonly #counts: Counts = {
    ...{ objects: 0, whole: 0, mended: 0, degraded: 0, lost: 0, unknown: 0 },
    ...{ missing: 0, strays: 0, removedPieces: 0 },
  };
  readonly #comparison: PieceComparison;
  readonly #damaged: Digest[] = [];
  readonly #problems: string[] = [];

  constructor(context: CareContext, spread: Spread, wanted: WantedRedundancy, apply: boolean) {
    this.#context = context;
    this.#spread = spread;
    this.#wanted = wanted;
    this.#apply = apply;
    this.#comparison = new PieceComparison(spread);
  }

  /** Mends what is in a folder, and what should be. @param expected digests of chunks the catalog says are there */
  async folder(folder: string, expected: readonly Digest[]): Promise<void> {
    const names = new Set(expected.map((digest) => chunkName(digest, this.#context.prefixDigits)));
    for await (const name of this.#spread.list(folder)) names.add(name);
    const recorded = this.#context.shards?.read((places) => places.below(folder));
    // What was recorded and is gone is forgotten.
    for (const name of recorded?.keys() ?? []) {
      if (isObjectName(name)) names.add(name);
      else if (this.#apply) this.#context.shards?.note({ kind: 'seen', name, group: undefined, silent: [] });
    }
    const surplus: Surplus[] = [];
    await atOnce(OBJECTS_AT_ONCE, names, async (name) => {
      requireWanted(this.#context.signal);
      const mended = await this.#mend(name, recorded?.get(name));
      if (mended.surplus.length > 0) surplus.push({ name, members: mended.surplus });
    });
    if (this.#apply && names.size > 0) await this.#removeSurplus(surplus);
  }

  /** Gives chunks the redundancy they should have where they have another; the rest is not read. */
  async raise(digests: Iterable<Digest>): Promise<void> {
    const { mender } = this.#spread;
    const surplus: Surplus[] = [];
    await atOnce(OBJECTS_AT_ONCE, digests, async (digest) => {
      requireWanted(this.#context.signal);
      const name = chunkName(digest, this.#context.prefixDigits);
      if (await mender.has(name, this.#wanted.of(digest))) return;
      const mended = await this.#mend(name);
      if (mended.surplus.length > 0) surplus.push({ name, members: mended.surplus });
    });
    if (this.#apply) await this.#removeSurplus(surplus);
  }

  async #mend(name: string, recorded?: ShardGroup): Promise<MendedObject> {
    // What is in quarantine stays as it is.
    const digest = chunkOfName(name);
    const wanted = digest === undefined ? undefined : this.#wanted.of(digest);
    const { mender } = this.#spread;
    const mended = await (this.#apply ? mender.mend(name, wanted) : mender.survey(name, wanted));
    this.#count(name, digest, mended, recorded);
    return mended;
  }

  async #removeSurplus(surplus: readonly Surplus[]): Promise<void> {
    // What is removed has to be durable elsewhere before.
    await this.#spread.sync();
    await atOnce(OBJECTS_AT_ONCE, surplus, async ({ name, members }) => {
      this.#counts.removedPieces += await this.#spread.mender.removeSurplus(name, members);
    });
  }

  async end(): Promise<MendReport> {
    if (this.#apply) {
      await this.#removeStaged();
      await copyIndexes(this.#context);
    }
    const { degraded, unknown } = this.#counts;
    const digests = this.#apply ? this.#damaged : [];
    const { damaged } = digests.length > 0 ? await verifySuspects(this.#context, { digests }) : { damaged: [] };
    const complete = degraded + unknown === 0;
    const backends = this.#comparison.backends();
    const { missingPieces } = this.#comparison;
    return { ...this.#counts, damaged, problems: this.#problems, complete, backends, missingPieces };
  }

  async #removeStaged(): Promise<void> {
    const { mender } = this.#spread;
    for (const piece of await mender.staged()) {
      if (await mender.removeStaged(piece)) this.#counts.removedPieces += 1;
    }
  }

  #count(name: string, digest: Digest | undefined, mended: MendedObject, recorded: ShardGroup | undefined): void {
    const { state, pieces, reason } = mended;
    const counts = this.#counts;
    const known = digest === undefined ? undefined : this.#context.catalog.chunks.find(digest)?.state;
    const isStray = digest !== undefined && known === undefined;
    if (state === 'absent') {
      // Collected since it was listed, unless the catalog still counts on it.
      if (known !== 'present') return;
      counts.missing += 1;
    } else {
      counts.objects += 1;
      counts[state] += 1;
      if (isStray) counts.strays += 1;
    }
    this.#comparison.add(name, recorded, mended, isStray);
    if (digest !== undefined && known === 'present' && (state === 'lost' || state === 'absent'))
      this.#damaged.push(digest);
    if (state === 'whole' || state === 'mended' || this.#problems.length >= SHOWN_PROBLEMS) return;
    this.#problems.push(
      `${name}: ${state}, ${pieces} pieces are not as they should be${reason === undefined ? '' : ` (${reason})`}`,
    );
  }
}

/** A record may say anything. */
function isObjectName(name: string): boolean {
  return chunkOfName(name) !== undefined || parseQuarantineName(name) !== undefined;
}
