import type { GcParts } from './gc-parts.js';
import type { Amount, GcPlan } from './plan.js';
import { Problems } from './problems.js';
import { QuarantineSurvey } from './quarantine-survey.js';
import { gatherRoots, type Roots } from './roots.js';
import { Survey } from './survey.js';

/** Roots of one moment, and the chunks that were known at that moment and are not among them. */
export interface Marked {
  readonly roots: Roots;
  readonly survey: Survey;
}

/** A plan, with what it takes to carry it out. */
export interface Planned extends Marked {
  readonly plan: GcPlan;
  readonly quarantine: QuarantineSurvey;
}

/** What a collection does before it marks, as its plan shows it. */
export type Preparation = Pick<GcPlan, 'indexFilesRead' | 'differences' | 'repack'>;

/** What there is to prepare, or was. @param files how many are packed anew */
export function preparationOf({ indexes, packs }: Roots, files: number): Preparation {
  const { packs: chunks, storedBytes: bytes } = packs.freeFigures;
  return {
    indexFilesRead: indexes.readAnew.length,
    differences: indexes.differences,
    repack: { chunks, bytes, files },
  };
}

/** Finds out what a collection would do; changes nothing. */
export class Planner {
  readonly problems = new Problems();
  readonly #parts: GcParts;

  constructor(parts: GcParts) {
    this.#parts = parts;
  }

  /**
   * Marks from one picture of the catalog.
   * @param open opens it
   */
  async mark(open: () => Promise<void>): Promise<Marked> {
    const { reader, options, progress, goOn } = this.#parts;
    progress({ step: 'looking for what is in use', done: 0, unit: 'items' });
    await open();
    try {
      const { store, full } = options;
      const roots = await gatherRoots({ reader, store, full, problems: this.problems, goOn });
      return { roots, survey: this.#survey(roots) };
    } finally {
      reader.picture.end();
    }
  }

  /** Looks at all that was not marked. @param preparation what is to be done before the mark, or was */
  async plan({ roots, survey }: Marked, preparation: Preparation): Promise<Planned> {
    const { options, goOn } = this.#parts;
    await survey.weigh();
    await this.#list(survey);
    const quarantine = await this.#quarantine(roots, survey);
    const clock = this.#parts.clock.problem(options.lastEndedAt);
    if (clock !== undefined) this.problems.add(clock);
    goOn();
    const { indexes, marked, packs } = roots;
    const plan: GcPlan = {
      full: options.full,
      indexFiles: indexes.files,
      indexFilesGone: indexes.gone.length,
      referenced: marked.size + indexes.unknown.size,
      unreferenced: survey.unreferenced,
      stray: survey.stray,
      bad: survey.bad,
      unfinished: survey.unfinished,
      expired: quarantine.expired,
      quarantined: quarantine.stays,
      returned: amountOf(quarantine.returned),
      deadInPacks: { chunks: packs.pinnedFigures.packs, bytes: packs.pinnedFigures.deadBytes },
      foreign: survey.foreign,
      ...preparation,
      ...freedBytes(survey, quarantine, options.graceSeconds),
      problems: this.problems.lines,
      problemCount: this.problems.count,
    };
    return { roots, survey, plan, quarantine };
  }

  #survey(roots: Roots): Survey {
    const { reader, options, chunkBytes, files, goOn } = this.#parts;
    return new Survey({
      ...{ reader, roots, chunkBytes, files, goOn },
      problems: this.problems,
      abandonedBefore: options.processStartedAt,
    });
  }

  async #list(survey: Survey): Promise<void> {
    const { options, progress } = this.#parts;
    const total = options.folders.length;
    let done = 0;
    await survey.list(options.folders, () => {
      done += 1;
      progress({ step: 'listing folders of chunks', done, total, unit: 'items' });
    });
  }

  /** Looks through it, unless the last collection left nothing that is due, and what is marked is all present. */
  async #quarantine(roots: Roots, survey: Survey): Promise<QuarantineSurvey> {
    const { quarantine, reader, options, clock, goOn } = this.#parts;
    const before = clock.nowSeconds() - options.graceSeconds;
    const found = new QuarantineSurvey({
      ...{ quarantine, reader, roots, goOn },
      before: options.graceFrom > before ? Number.NEGATIVE_INFINITY : before,
    });
    const allPresent = !survey.missesSome && roots.indexes.unknown.size === 0;
    if (!(allPresent && found.believe(options.quarantine))) await found.look();
    return found;
  }
}

/** What goes now, and what goes when the grace period is over. */
function freedBytes(
  { unreferenced, stray, bad, unfinished }: Survey,
  { expired, stays }: QuarantineSurvey,
  graceSeconds: number,
): Pick<GcPlan, 'freesBytes' | 'freesLaterBytes'> {
  const taken = unreferenced.bytes + stray.bytes;
  const now = bad.bytes + unfinished.bytes + expired.bytes;
  if (graceSeconds === 0) return { freesBytes: now + taken, freesLaterBytes: 0 };
  return { freesBytes: now, freesLaterBytes: taken + stays.bytes };
}

function amountOf(chunks: readonly { readonly bytes: number }[]): Amount {
  return { chunks: chunks.length, bytes: chunks.reduce((sum, { bytes }) => sum + bytes, 0) };
}
