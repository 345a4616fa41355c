import type { SetDifference } from './index-mark.js';

/** Chunk files, and the bytes they take on disk. */
export interface Amount {
  chunks: number;
  bytes: number;
}

/** What is in quarantine. */
export interface QuarantineLeft extends Amount {
  /** None of it is older, seconds since 1970. */
  readonly since: number;
}

/** What a collection does, and why. Everything in bytes of files. */
export interface GcPlan {
  /** Whether all index files were read and all chunk files listed. */
  readonly full: boolean;
  /** Index files on disk, those of them that had to be read, and recorded ones that are gone. */
  readonly indexFiles: number;
  readonly indexFilesRead: number;
  readonly indexFilesGone: number;
  /** Chunks that something names. */
  readonly referenced: number;
  /** Known chunks that nothing names any more: they go into quarantine. */
  readonly unreferenced: Amount;
  /** Chunk files that neither the catalog nor any index file knows, of work that was given up or crashed: into quarantine, too. */
  readonly stray: Amount;
  /** Corrupt chunks set aside that nothing needs any more: deleted. */
  readonly bad: Amount;
  /** Files of writes that a killed process did not finish: deleted. */
  readonly unfinished: Amount;
  /** In quarantine for longer than the grace period: deleted. */
  readonly expired: Amount;
  /** In quarantine, and to stay for now. */
  readonly quarantined: Amount;
  /** In quarantine, but something names them again: brought back. */
  readonly returned: Amount;
  /** Packs of which live files use less than half and no snapshot anything; `bytes` of their chunk files. */
  readonly repack: Amount & { readonly files: number };
  /** Packs as dead as these that snapshots keep: plain bytes nobody's live files use. */
  readonly deadInPacks: Amount;
  /** Files among the chunks that are none: left alone. */
  readonly foreign: { readonly files: number; readonly names: readonly string[] };
  /** Tracked sets that were not what their index file says; only looked for by a full collection. */
  readonly differences: readonly SetDifference[];
  /** Bytes that carrying the plan out gives back at once, and when the grace period is over. */
  readonly freesBytes: number;
  readonly freesLaterBytes: number;
  /** What keeps the collection from removing anything; the first ten, and how many there are. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

/** What a collection did. */
export interface GcReport {
  readonly plan: GcPlan;
  readonly dryRun: boolean;
  /** Chunks taken out of sight, into quarantine. */
  readonly removed: Amount;
  /** Bytes given back to the file system. */
  readonly freed: Amount;
  /** Chunks of the plan that somebody began to use meanwhile. */
  readonly inUse: number;
  /** What of the plan could not be done, and what to do about it; the first ten, and how many there are. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  /** What is in quarantine now; null where some of what should have gone is still there. */
  readonly left: QuarantineLeft | null;
  readonly startedAt: number;
  readonly seconds: number;
}

export function nothing(): Amount {
  return { chunks: 0, bytes: 0 };
}

export function add(amount: Amount, bytes: number): void {
  amount.chunks += 1;
  amount.bytes += bytes;
}
