import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackedUp } from '../../src/control/backup-commands.js';
import { digestHex } from '../../src/core/digest.js';
import { silentLog } from '../../src/core/log.js';
import { runUnmountedBackup } from '../../src/daemon/unmounted-backup.js';
import { createDatastore } from '../../src/datastore/create.js';
import type { ChunkIndex } from '../../src/index/chunk-index.js';
import { parseDynamicIndex } from '../../src/index/dynamic-index.js';
import { until } from './commands.js';

const STREAMS = ['root.mpxar.didx', 'root.ppxar.didx', 'cairn.attrs.didx'];
const GROUP = 'host/a';

/** What a backup is asked for; by default the one group, everything, in earnest. */
export interface BackupWanted {
  readonly group?: string;
  readonly excludes?: readonly string[];
  readonly dryRun?: boolean;
}

/** A source, which the test makes, and a datastore it is backed up into, in this process. */
export class BackupCase {
  readonly source: string;
  readonly store: string;

  private constructor(folder: string) {
    this.source = join(folder, 'source');
    this.store = join(folder, 'store');
  }

  static async in(folder: string): Promise<BackupCase> {
    const made = new BackupCase(folder);
    await createDatastore(made.store, { reserveBytes: 4096 });
    return made;
  }

  async backup({ group = GROUP, excludes = [], dryRun = false }: BackupWanted = {}): Promise<BackedUp> {
    await this.#settled();
    const scope = { excludes: [...excludes], oneFileSystem: false, excludeCaches: false };
    const args = { source: this.source, group, ...scope, dryRun };
    const context = { signal: new AbortController().signal, progress: () => undefined };
    return runUnmountedBackup(this.store, args, context, silentLog);
  }

  /** Checksums of the lists of chunks of the newest snapshot's streams. */
  streams(group = GROUP): string[] {
    return this.indexes(group).map(({ checksum }) => digestHex(checksum));
  }

  /** The newest snapshot's metadata, payload and attributes streams. */
  indexes(group = GROUP): [ChunkIndex, ChunkIndex, ChunkIndex] {
    const folder = join(this.store, group);
    const times = readdirSync(folder).filter((name) => name.endsWith('Z'));
    const newest = join(folder, times.sort().at(-1) as string);
    const read = (name: string) => parseDynamicIndex(readFileSync(join(newest, name)));
    return STREAMS.map(read) as [ChunkIndex, ChunkIndex, ChunkIndex];
  }

  /** The kernel's clock must have ticked since anything was changed. */
  async #settled(): Promise<void> {
    const from = Date.now();
    await until('a tick', () => Date.now() - from > 60);
  }
}
