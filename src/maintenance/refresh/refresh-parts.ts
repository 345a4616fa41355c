import type { CatalogReader } from '../../catalog/open-reader.js';
import type { ChunkGuards } from '../../chunkstore/guards.js';
import type { PrefixDigits } from '../../chunkstore/layout.js';
import type { ObjectStore } from '../../datastore/object-store.js';
import type { SharedObjects } from '../../datastore/shared/shared-objects.js';
import type { JobProgress } from '../job/job-messages.js';
import type { FactsOf } from '../upload/upload-parts.js';
import type { RefreshAsks } from './refresh-protocol.js';

/** What a refresh works with. */
export interface RefreshParts {
  /** The datastore's folder. */
  readonly store: string;
  readonly prefixDigits: PrefixDigits;
  readonly reader: Pick<CatalogReader, 'uploads' | 'chunks'>;
  readonly objects: Pick<SharedObjects, 'get' | 'list' | 'size'>;
  readonly listing: ObjectStore['listing'];
  readonly guards: Pick<ChunkGuards, 'hold' | 'release' | 'lock' | 'unlock'>;
  readonly factsOf: FactsOf;
  /** Makes a placeholder of this length where there is no file of this absolute path. */
  standIn(path: string, length: number): Promise<unknown>;
  ask<N extends keyof RefreshAsks & string>(
    name: N,
    payload: RefreshAsks[N]['payload'],
  ): Promise<RefreshAsks[N]['result']>;
  progress(progress: JobProgress): void;
  /** @throws {CairnError} `interrupted` where the job is to end */
  goOn(): void;
}
