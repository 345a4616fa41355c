import { type FlatListing, STATUS_NUMBERS, StatusNumber } from '../../native/source.js';
import type { BackupScope } from './backup-protocol.js';
import type { StorePlaces } from './store-places.js';

// What walks ask of the entries of a listing, without making an object for each.

const S_IFMT = 0o170000;

/** Values of the type bits of st_mode. */
export const TYPE = {
  ...{ fifo: 0o010000, character: 0o020000, folder: 0o040000 },
  ...{ block: 0o060000, file: 0o100000, link: 0o120000 },
};

export function numberAt({ statuses }: FlatListing, index: number, which: number): number {
  return statuses[index * STATUS_NUMBERS + which] as number;
}

export function typeAt(listing: FlatListing, index: number): number {
  return numberAt(listing, index, StatusNumber.mode) & S_IFMT;
}

/** A view. */
export function nameAt({ names, ends }: FlatListing, index: number): Uint8Array {
  return names.subarray(ends[index - 1] ?? 0, ends[index]);
}

/** Says of two entries, whatever folders they are in, whether they are names of one inode. */
export function inodeKeyAt(listing: FlatListing, index: number): string {
  const { device, inodeHigh, inodeLow } = StatusNumber;
  return [device, inodeHigh, inodeLow].map((which) => numberAt(listing, index, which)).join(':');
}

/** What makes a folder an empty one in the snapshot. */
interface DescentLimits {
  readonly scope: Pick<BackupScope, 'oneFileSystem'>;
  /** Left alone wherever they are. */
  readonly avoid: StorePlaces;
  /** The source's own. */
  readonly device: number;
}

/** Names of those of the entries that are folders whose entries are backed up, too, by their index. */
export function descendedFolders(
  listing: FlatListing,
  entries: readonly number[],
  { scope, avoid, device: own }: DescentLimits,
): Map<number, Uint8Array> {
  const descended = new Map<number, Uint8Array>();
  for (const index of entries) {
    if (typeAt(listing, index) !== TYPE.folder) continue;
    const device = numberAt(listing, index, StatusNumber.device);
    const inodeHigh = numberAt(listing, index, StatusNumber.inodeHigh);
    const inodeLow = numberAt(listing, index, StatusNumber.inodeLow);
    if ((scope.oneFileSystem && device !== own) || avoid.has({ device, inodeHigh, inodeLow })) continue;
    descended.set(index, nameAt(listing, index));
  }
  return descended;
}
