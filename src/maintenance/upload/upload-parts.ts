import type { CatalogReader } from '../../catalog/open-reader.js';
import type { ChunkGuards } from '../../chunkstore/guards.js';
import type { PrefixDigits } from '../../chunkstore/layout.js';
import type { ObjectStore } from '../../datastore/object-store.js';
import type { JobProgress } from '../job/job-messages.js';
import type { UploadAsks } from './upload-protocol.js';

/** What is told of a file. */
export interface FileFacts {
  /** Changes when the file is written or replaced. */
  readonly identity: string;
  readonly bytes: number;
  /** Bytes of the disk it takes; 0 for a chunk that was evicted. */
  readonly allocatedBytes: number;
  /** When it was last read, touched or written, seconds since 1970, as far as the file system tells. */
  readonly usedAt: number;
}

/** Looks at a file by its absolute path; undefined where there is none. */
export type FactsOf = (path: string) => Promise<FileFacts | undefined>;

/** Identity of a file that may be in the object store, or not: it is about to be put there, or removed. */
export const UNCERTAIN = 'uncertain';

/** Identity of another machine's manifest while its snapshot is being fetched: its files may be here, or not. */
export const FETCHING = 'fetching';

/** What an upload works with. */
export interface UploadParts {
  /** The datastore's folder. */
  readonly store: string;
  readonly prefixDigits: PrefixDigits;
  readonly reader: Pick<CatalogReader, 'uploads' | 'indexFiles' | 'chunks' | 'objects' | 'sets'>;
  readonly objects: ObjectStore;
  /** Other machines may use the object store too (datastore/shared). */
  readonly isShared: boolean;
  /** This machine's id there. */
  readonly machine: string;
  /** Snapshots that are gone from here may go from there: live trees need nothing of theirs that is only there. */
  readonly mayWithdraw: boolean;
  readonly guards: Pick<ChunkGuards, 'hold' | 'release' | 'lock' | 'unlock'>;
  /** Bytes chunks may take here; undefined: any. */
  readonly cacheBytes: number | undefined;
  readonly factsOf: FactsOf;
  ask<N extends keyof UploadAsks & string>(
    name: N,
    payload: UploadAsks[N]['payload'],
  ): Promise<UploadAsks[N]['result']>;
  progress(progress: JobProgress): void;
  /** @throws {CairnError} `interrupted` where the job is to end */
  goOn(): void;
}

/** A file of a group or snapshot, or the mark of a namespace, which has no file of its own. */
export interface StoreFile {
  /** Relative to the datastore. */
  readonly path: string;
  readonly identity: string;
}

/** The files a datastore consists of besides its chunks. */
export interface StoreFiles {
  /** In the order they have to be put in: what a manifest speaks of before it. */
  readonly ready: readonly StoreFile[];
  /** Those that wait, as their chunks are not all known yet. */
  readonly waiting: ReadonlySet<string>;
  /** Files known to be in the object store before these were listed, and their identities: what came since is not gone. */
  readonly known: ReadonlyMap<string, string>;
}
