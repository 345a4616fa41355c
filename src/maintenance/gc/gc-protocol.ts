import type { IndexFile } from '../../catalog/index-files.js';
import type { StateChange } from '../../chunkstore/chunk-states.js';
import type { QuarantineLeft } from './plan.js';

/** What a collection is asked for. */
export interface GcOptions {
  /** Plans only. */
  readonly dryRun: boolean;
  /** Reads all index files and lists all chunk files. */
  readonly full: boolean;
  /** How long a chunk stays in quarantine. */
  readonly graceSeconds: number;
}

/** What a collection's job is started with (its `workerData`). */
export interface GcJobOptions extends GcOptions {
  /** The datastore's folder. */
  readonly store: string;
  /** Folders of chunks to list in this run, e.g. `.chunks/a9`. */
  readonly folders: readonly string[];
  /** What the last collection of this process left in quarantine; null where that is not known: then it is listed. */
  readonly quarantine: QuarantineLeft | null;
  /** When the wall clock was found to have been set, seconds since 1970: no grace period began before. 0: never. */
  readonly graceFrom: number;
  /** When the last collection ended, seconds since 1970; 0: never. */
  readonly lastEndedAt: number;
  /** What this process had not begun before this moment is not under way any more, seconds since 1970. */
  readonly processStartedAt: number;
}

/** An index file to be recorded, and the chunks it lists: 32 bytes of digest each, and their plain lengths. */
export interface ReadIndex {
  readonly file: IndexFile;
  readonly digests: Uint8Array;
  readonly lengths: Float64Array;
}

/** How busy the mount was with requests since this was last asked: 0 … 1. */
export interface Load {
  readonly busy: number;
}

/** Digests, one after the other. */
export type PackedDigests = Uint8Array;

/** What the job asks of whoever may write to the catalog. */
export type GcAsks = {
  /** Deletes what is left of freed extents, and commits, so that nothing is held any longer that was written and deleted. */
  readonly settle: { payload: null; result: null };
  /** Commits all that was answered, and makes no other commit until `end-moment`: time to open a picture. */
  readonly 'begin-moment': { payload: null; result: null };
  readonly 'end-moment': { payload: null; result: null };
  readonly load: { payload: null; result: Load };
  /** Writes states of at most `ROWS_PER_REQUEST` chunks; durable after the next `commit-states`. */
  readonly 'write-states': { payload: { readonly digests: PackedDigests; readonly to: StateChange }; result: null };
  readonly 'commit-states': { payload: null; result: null };
  /** Names the packs that what is packed anew is not to be found in. */
  readonly 'begin-repack': { payload: PackedDigests; result: null };
  /** Packs these files anew. @returns how many */
  readonly repack: { payload: readonly number[]; result: number };
  readonly 'record-index': { payload: ReadIndex; result: null };
  /** Forgets what is recorded of index files that are gone. */
  readonly 'drop-indexes': { payload: readonly string[]; result: null };
  /** Clears pieces away by the digest of their content, if they are lost. */
  readonly 'drop-pieces': { payload: PackedDigests; result: null };
};
