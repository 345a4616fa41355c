import type { ArchiveCursor } from '../../archive/archive-cursor.js';
import { type FlatListing, StatusNumber } from '../../native/source.js';
import { numberAt, TYPE, typeAt } from './source-listing.js';

/** Instead of a payload's place: there is none. */
export const NO_PAYLOAD = -1;

/**
 * Passes over what an archive has behind the ENTRY of a leaf, if that is as listed.
 * @returns where in the payload stream a file's payload is, else `NO_PAYLOAD`; undefined where something differs
 */
export function bodyOf(archive: ArchiveCursor, listing: FlatListing, index: number): number | undefined {
  const type = typeAt(listing, index);
  if (type === TYPE.file) return archive.payloadOf(numberAt(listing, index, StatusNumber.size));
  if (type === TYPE.link) {
    const target = listing.targets[index];
    return target !== undefined && archive.isTarget(target) ? NO_PAYLOAD : undefined;
  }
  if (type !== TYPE.character && type !== TYPE.block) return archive.isEntryEnd() ? NO_PAYLOAD : undefined;
  const [major, minor] = [StatusNumber.major, StatusNumber.minor].map((which) => numberAt(listing, index, which));
  return archive.isDevice(major as number, minor as number) ? NO_PAYLOAD : undefined;
}
