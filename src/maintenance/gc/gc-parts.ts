import type { CatalogReader } from '../../catalog/open-reader.js';
import type { Quarantine } from '../../chunkstore/quarantine.js';
import type { Sweep } from '../../chunkstore/removal.js';
import type { SetAside } from '../../chunkstore/set-aside.js';
import type { Digest } from '../../core/digest.js';
import type { JobProgress } from '../job/job-messages.js';
import type { ChunkFiles } from './chunk-files.js';
import type { ClockWatch } from './clock-watch.js';
import type { GcAsks, GcJobOptions } from './gc-protocol.js';

/** What a collection works with. */
export interface GcParts {
  readonly options: GcJobOptions;
  readonly reader: CatalogReader;
  readonly quarantine: Pick<Quarantine, 'list' | 'weigh' | 'undelete' | 'expire'>;
  /** @param since seconds since 1970, by the wall clock. @throws {CairnError} `busy` where another sweep runs in this process */
  beginSweep(since: number): Pick<Sweep, 'mark' | 'remove' | 'end'>;
  /** Makes a chunk bad where what stands in its place, if anything does, is not sound. */
  setAside(digest: Digest): Promise<SetAside>;
  readonly clock: ClockWatch;
  /** Length in bytes of a chunk's file, or undefined where there is none. */
  chunkBytes(digest: Digest): Promise<number | undefined>;
  readonly files: ChunkFiles;
  ask<N extends keyof GcAsks>(name: N, payload: GcAsks[N]['payload']): Promise<GcAsks[N]['result']>;
  progress(progress: JobProgress): void;
  /** Throws where the collection was given up; called where that does no harm. */
  goOn(): void;
}
