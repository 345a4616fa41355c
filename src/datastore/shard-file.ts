import { rmSync, statSync } from 'node:fs';
import { ShardPlaces } from '../catalog/shard-places.js';
import { kindOf } from '../core/errors.js';

/** The database of where pieces are, and which file it is: others may have made it anew since. */
export interface OpenShards {
  readonly places: ShardPlaces;
  readonly inode: bigint | undefined;
}

/** Opens it for reading; undefined where there is none. @throws {CairnError} */
export function openShardReader(path: string): ShardPlaces | undefined {
  return inodeOf(path) === undefined ? undefined : ShardPlaces.openReader(path);
}

/** Opens it for writing; one that is not there, damaged or of another version is made anew. @throws {CairnError} */
export function openShardWriter(path: string): OpenShards {
  try {
    return { places: ShardPlaces.openWriter(path), inode: inodeOf(path) };
  } catch (error) {
    if (kindOf(error) !== 'corrupt' && kindOf(error) !== 'unsupported') throw error;
    discardShards(path);
    return { places: ShardPlaces.openWriter(path), inode: inodeOf(path) };
  }
}

/** Removes the database. Who has it open still goes on with what was there. */
export function discardShards(path: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
}

/** Whether it is still the file that was opened. */
export function isCurrent({ inode }: OpenShards, path: string): boolean {
  return inode !== undefined && inodeOf(path) === inode;
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
