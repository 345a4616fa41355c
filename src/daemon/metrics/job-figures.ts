import type { GcReport } from '../../control/gc-commands.js';
import type { CareJobName, CareJobs } from '../../maintenance/job/protocol.js';

/** What collections did. Counts and bytes of chunk files. */
export interface GcFigures {
  runs: number;
  /** Collections that ended with an error, or stopped before the sweep because the mark might not be whole. */
  failures: number;
  quarantinedChunks: number;
  quarantinedBytes: number;
  deletedChunks: number;
  deletedBytes: number;
  /** Time spent in collections, seconds. */
  seconds: number;
}

/** What verifying and repairing did. */
export interface CareFigures {
  /** Of chunks, or whole snapshots. */
  verifyRuns: number;
  verifiedChunks: number;
  /** Plain bytes. */
  verifiedBytes: number;
  /** Chunks found damaged, each time they were. */
  damagedChunks: number;
  healedChunks: number;
  /** Restore drills, the files they restored, and those of them that were not as they should be. */
  drills: number;
  drilledFiles: number;
  drillFailures: number;
  checks: number;
  /** What checks found that is damage. */
  checkDamages: number;
}

export function noGcFigures(): GcFigures {
  return {
    ...{ runs: 0, failures: 0, seconds: 0 },
    ...{ quarantinedChunks: 0, quarantinedBytes: 0, deletedChunks: 0, deletedBytes: 0 },
  };
}

/** Adds a collection that was no dry run. */
export function countGc(figures: GcFigures, { plan, removed, freed, seconds }: GcReport): void {
  figures.runs += 1;
  if (plan.problemCount > 0) figures.failures += 1;
  figures.quarantinedChunks += removed.chunks;
  figures.quarantinedBytes += removed.bytes;
  figures.deletedChunks += freed.chunks;
  figures.deletedBytes += freed.bytes;
  figures.seconds += seconds;
}

export function noCareFigures(): CareFigures {
  return {
    ...{ verifyRuns: 0, verifiedChunks: 0, verifiedBytes: 0, damagedChunks: 0, healedChunks: 0 },
    ...{ drills: 0, drilledFiles: 0, drillFailures: 0, checks: 0, checkDamages: 0 },
  };
}

type CareCounters = {
  readonly [J in CareJobName]: (figures: CareFigures, report: CareJobs[J]['report']) => void;
};

const COUNT: CareCounters = {
  scrub: countVerified,
  snapshots: countVerified,
  suspects: (figures, { damaged, healed }) => {
    figures.damagedChunks += damaged.length;
    figures.healedChunks += healed;
  },
  drill: (figures, { files, failures }) => {
    figures.drills += 1;
    figures.drilledFiles += files;
    figures.drillFailures += failures.length;
  },
  repair: (figures, { chunks }) => {
    figures.healedChunks += chunks.filter(({ outcome }) => outcome === 'healed').length;
  },
  'copy-indexes': () => undefined,
  mend: (figures, { damaged, mended }) => {
    figures.damagedChunks += damaged.length;
    figures.healedChunks += mended;
  },
  check: (figures, { findings }) => {
    figures.checks += 1;
    figures.checkDamages += findings.filter(({ severity }) => severity === 'damage').length;
  },
};

/** Adds a job that has ended. */
export function countCare<J extends CareJobName>(figures: CareFigures, job: J, report: CareJobs[J]['report']): void {
  COUNT[job](figures, report);
}

function countVerified(
  figures: CareFigures,
  report: Pick<CareJobs['scrub']['report'], 'chunks' | 'bytes' | 'damaged' | 'healed'>,
): void {
  figures.verifyRuns += 1;
  figures.verifiedChunks += report.chunks;
  figures.verifiedBytes += report.bytes;
  figures.damagedChunks += report.damaged.length;
  figures.healedChunks += report.healed;
}
