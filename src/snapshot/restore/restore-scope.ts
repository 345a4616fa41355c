import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import type { Exclusions } from '../exclusions.js';
import type { FolderNames } from './restored-links.js';

const SLASH = Buffer.from('/');

/** Whether an entry is left out, with all that is in it. @param names of its folder, from the one restored on */
export function isExcluded(
  exclusions: Exclusions,
  names: FolderNames,
  name: Uint8Array,
  { kind }: ArchiveEntry,
): boolean {
  if (exclusions.isNone) return false;
  return exclusions.excludes(Buffer.concat([...names.flatMap((part) => [part, SLASH]), name]), kind === 'folder');
}
