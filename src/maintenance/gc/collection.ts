import type { HalfDeadPacks } from '../../catalog/pack-use.js';
import type { QuarantinedChunk, WeighedChunk } from '../../chunkstore/quarantine.js';
import { type Digest, digestFromHex, digestHex } from '../../core/digest.js';
import { CairnError, type ErrorKind, isOutOfRoom } from '../../core/errors.js';
import type { GcParts } from './gc-parts.js';
import { packDigests } from './packed-digests.js';
import { add, type GcReport, nothing } from './plan.js';
import { type Marked, type Planned, Planner, type Preparation, preparationOf } from './planner.js';
import { Problems, stoppedMessage } from './problems.js';
import type { QuarantineSurvey } from './quarantine-survey.js';
import { recordIndexes } from './record-indexes.js';
import { filesToRepack } from './repacking.js';
import type { Roots } from './roots.js';
import { batchesOf, overlapping, Pace, type SweptChunk, sortedBatches } from './sweeper.js';

/** Contents of pieces looked at in one step, and dropped in one. */
const PIECES_PER_STEP = 5000;
/** What says of a chunk in quarantine that its bytes are lost. */
const LOST: ReadonlySet<ErrorKind> = new Set(['corrupt', 'not-found']);

type Sweep = ReturnType<GcParts['beginSweep']>;

/** A collection that acts. */
export class Collection {
  readonly #parts: GcParts;
  readonly #removed = nothing();
  readonly #freed = nothing();
  readonly #problems = new Problems();
  readonly #pace = new Pace();
  #inUse = 0;
  /** Chunks of the quarantine that were deleted. */
  #expired = 0;
  /** When the sweep began, seconds since 1970. */
  #since = 0;

  constructor(parts: GcParts) {
    this.#parts = parts;
  }

  async run(): Promise<Omit<GcReport, 'dryRun' | 'startedAt' | 'seconds'>> {
    const { ask } = this.#parts;
    await ask('settle', null);
    const planner = new Planner(this.#parts);
    // Before the mark: what is named and let go of from its moment on counts as held until the end.
    let sweep = this.#beginSweep();
    try {
      let marked = await this.#mark(planner, sweep);
      const prepared = await this.#prepare(marked.roots, sweep);
      if (prepared !== undefined) {
        sweep = this.#beginSweep();
        marked = await this.#mark(planner, sweep);
      }
      const planned = await planner.plan(marked, prepared ?? preparationOf(marked.roots, 0));
      requireNone(planner);
      await this.#takeAll(planned, sweep);
      await this.#expire(planned.quarantine);
      await this.#deleteLeftovers(planned);
      await this.#dropPieces();
      await ask('drop-indexes', planned.roots.indexes.gone);
      planned.roots.dispose();
      return this.#outcome(planned);
    } finally {
      await sweep.end();
    }
  }

  async #mark(planner: Planner, sweep: Sweep): Promise<Marked> {
    const marked = await planner.mark(() => sweep.mark(() => this.#openPicture()));
    requireNone(planner);
    return marked;
  }

  /**
   * Does what changes the mark: records index files and packs anew what is in packs that are mostly dead. The sweep ends
   * before that, since all that is read while it runs counts as held.
   * @returns what was done; undefined where there was nothing to do, and the sweep goes on
   */
  async #prepare(roots: Roots, sweep: Sweep): Promise<Preparation | undefined> {
    const { packs, indexes } = roots;
    if (packs.free.size === 0 && indexes.readAnew.length === 0) return undefined;
    await sweep.end();
    await recordIndexes(this.#parts, indexes.readAnew);
    const prepared = preparationOf(roots, await this.#repack(packs));
    roots.dispose();
    return prepared;
  }

  /** All that was answered before is in this picture. */
  async #openPicture(): Promise<void> {
    const { ask, reader } = this.#parts;
    await ask('begin-moment', null);
    try {
      reader.picture.begin();
    } finally {
      await ask('end-moment', null);
    }
  }

  async #repack(packs: HalfDeadPacks): Promise<number> {
    const { reader, ask, progress, goOn } = this.#parts;
    await ask('begin-repack', packDigests([...reader.sets.digests(packs.free)]));
    let files = 0;
    for (const inos of filesToRepack(reader, packs)) {
      goOn();
      const packed = await unlessFull(ask('repack', inos));
      if (packed === undefined) break;
      files += packed;
      progress({ step: 'packing small files anew', done: files, unit: 'items' });
    }
    return files;
  }

  #beginSweep(): Sweep {
    this.#since = this.#parts.clock.nowSeconds();
    return this.#parts.beginSweep(this.#since);
  }

  #outcome({ plan, quarantine }: Planned): Omit<GcReport, 'dryRun' | 'startedAt' | 'seconds'> {
    const removed = this.#removed;
    const stay = this.#parts.options.graceSeconds === 0 ? nothing() : removed;
    const isKnown = this.#expired === quarantine.expired.chunks;
    const left = isKnown ? quarantine.leftWith(this.#since, stay.chunks, stay.bytes) : null;
    const { lines: problems, count: problemCount } = this.#problems;
    return { plan, removed, freed: this.#freed, inUse: this.#inUse, problems, problemCount, left };
  }

  async #takeAll({ survey, plan, quarantine }: Planned, sweep: Sweep): Promise<void> {
    const total = plan.unreferenced.chunks + plan.stray.chunks;
    await this.#bringBack(quarantine.returned);
    const take = (batch: readonly SweptChunk[]): Promise<void> => this.#take(batch, sweep, total);
    await overlapping(batchesOf(this.#parts.reader.collection, survey.candidates), take);
    await overlapping(sortedBatches(survey.strays), take);
  }

  /** What cannot be brought back is bad from now on, and told of: it is no reason to keep what nobody needs. */
  async #bringBack(chunks: readonly QuarantinedChunk[]): Promise<void> {
    const failures = new Map<string, CairnError>();
    for (const { digest, since } of chunks) {
      this.#parts.goOn();
      try {
        await this.#parts.quarantine.undelete({ digest, since });
      } catch (error) {
        if (!(error instanceof CairnError) || !LOST.has(error.kind)) throw error;
        failures.set(digestHex(digest), error);
      }
    }
    for (const [hex, { message }] of failures) {
      // Another one of the same digest may have been sound.
      if ((await this.#parts.setAside(digestFromHex(hex))).kind === 'sound') continue;
      this.#problems.add(
        `Chunk ${hex} cannot be brought back from quarantine (${message}): "cairn repair" mends or names the files concerned`,
      );
    }
  }

  async #take(batch: readonly SweptChunk[], sweep: Sweep, total: number): Promise<void> {
    const { goOn, options, progress, clock } = this.#parts;
    goOn();
    const jumped = clock.problem(0);
    if (jumped !== undefined) throw new CairnError('not-ready', jumped);
    const atOnce = options.graceSeconds === 0;
    const digests = batch.map(({ digest }) => digest);
    const { removed, held } = await sweep.remove(digests, atOnce ? 'delete' : 'quarantine');
    this.#inUse += held.length;
    const bytes = bytesOf(batch, removed);
    this.#removed.chunks += removed.length;
    this.#removed.bytes += bytes;
    if (atOnce) {
      this.#freed.chunks += removed.length;
      this.#freed.bytes += bytes;
    }
    progress({ step: 'removing chunks', done: this.#removed.chunks, total, unit: 'items' });
    await this.#rest();
  }

  async #expire(survey: QuarantineSurvey): Promise<void> {
    const total = survey.expired.chunks;
    await overlapping(survey.due(), async (batch) => {
      this.#parts.goOn();
      await this.#expireBatch(batch, total);
    });
  }

  async #expireBatch(batch: readonly WeighedChunk[], total: number): Promise<void> {
    const { chunks, bytes } = await this.#parts.quarantine.expire(batch);
    this.#freed.chunks += chunks;
    this.#freed.bytes += bytes;
    this.#expired += chunks;
    this.#parts.progress({ step: 'emptying the quarantine', done: this.#expired, total, unit: 'items' });
    await this.#rest();
  }

  async #deleteLeftovers({ survey }: Planned): Promise<void> {
    for (const leftover of survey.leftovers) {
      this.#parts.goOn();
      await this.#parts.files.remove(leftover);
      add(this.#freed, leftover.bytes);
    }
  }

  /** Pieces of chunks that are gone for good can never be used again. */
  async #dropPieces(): Promise<void> {
    const { ask, reader, goOn } = this.#parts;
    if (this.#freed.chunks === 0) return;
    for (let after: Digest | undefined = Buffer.alloc(0); after !== undefined; ) {
      goOn();
      const { contents, next } = reader.collection.lostPieces(after, PIECES_PER_STEP);
      if (contents.length > 0) await ask('drop-pieces', packDigests(contents));
      after = next;
    }
  }

  async #rest(): Promise<void> {
    await this.#pace.afterStep(await this.#parts.ask('load', null));
  }
}

function bytesOf(batch: readonly SweptChunk[], removed: readonly Digest[]): number {
  if (batch.length === removed.length) return batch.reduce((sum, { bytes }) => sum + bytes, 0);
  const kept = new Set(removed.map((digest) => Buffer.from(digest).toString('latin1')));
  return batch
    .filter(({ digest }) => kept.has(Buffer.from(digest).toString('latin1')))
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Packing anew needs room first, and a collection that makes some is what a full disk waits for. */
async function unlessFull<T>(packing: Promise<T>): Promise<T | undefined> {
  try {
    return await packing;
  } catch (error) {
    if (isOutOfRoom(error)) return undefined;
    throw error;
  }
}

/** @throws {CairnError} `not-ready` where the mark may not be whole */
function requireNone({ problems }: Planner): void {
  if (problems.count > 0) throw new CairnError('not-ready', stoppedMessage(problems.lines, problems.count));
}
