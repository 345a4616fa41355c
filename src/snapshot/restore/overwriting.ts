import type { BigIntStats } from 'node:fs';
import { deviceParts, packDevice } from '../../archive/device.js';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { CairnError } from '../../core/errors.js';
import type { Exclusions } from '../exclusions.js';
import { childrenOf, type TreeView } from '../tree-view.js';
import { isExcluded } from './restore-scope.js';
import type { FolderNames } from './restored-links.js';
import type { SameContent } from './same-content.js';
import type { TargetFolder } from './target-folder.js';
import { readLink } from './target-nodes.js';

/**
 * What becomes of something in the target that differs from the snapshot's: nothing at all is restored (`refuse`), it stays
 * (`never`), it is replaced if it is older (`older`) or anyway (`always`). What is equal is left alone by all of them.
 */
export type OverwriteRule = 'refuse' | 'never' | 'older' | 'always';

export const OVERWRITE_RULES: readonly OverwriteRule[] = ['refuse', 'never', 'older', 'always'];

const KIND_BITS = 0o170000;

/**
 * Whether what is in the target is what the snapshot has, attributes aside.
 * @param sameContent asked of files where size and modification time are equal
 */
export async function isSame(
  target: TargetFolder,
  name: Uint8Array,
  existing: BigIntStats,
  entry: ArchiveEntry,
  sameContent: SameContent,
): Promise<boolean> {
  if (!looksSame(target, name, existing, entry)) return false;
  return entry.kind !== 'file' || sameContent(target, name, entry);
}

function looksSame(target: TargetFolder, name: Uint8Array, existing: BigIntStats, entry: ArchiveEntry): boolean {
  if ((Number(existing.mode) & KIND_BITS) !== (entry.mode & KIND_BITS)) return false;
  switch (entry.kind) {
    case 'file':
      return existing.size === BigInt(entry.size) && existing.mtimeNs === mtimeOf(entry);
    case 'symlink':
      return entry.target !== undefined && readLink(target, name).equals(entry.target);
    case 'block':
    case 'character':
      return packDevice(deviceParts(Number(BigInt.asUintN(32, existing.rdev)))) === entry.rdev;
    default:
      return true;
  }
}

/**
 * Whether something that differs is to be replaced.
 * @throws {CairnError} `exists` where nothing may be and it is not empty
 */
export function mayReplace(rule: OverwriteRule, existing: BigIntStats, entry: ArchiveEntry, shown: string): boolean {
  if (rule === 'always') return true;
  if (rule === 'never') return false;
  if (rule === 'older') return existing.mtimeNs < mtimeOf(entry);
  if (existing.isFile() && existing.size === 0n) return true;
  throw new CairnError('exists', `${shown} exists and differs: choose with --overwrite never, older or always`);
}

/**
 * Refuses where something in the target differs, before anything is restored. Looks only where the target has folders.
 * @param names of the folder, from the one restored on
 * @throws {CairnError} `exists`, naming the first one
 */
export async function requireNoConflict(
  view: TreeView,
  folder: ArchiveEntry,
  target: TargetFolder,
  options: { readonly exclusions: Exclusions; readonly sameContent: SameContent },
  names: FolderNames = [],
): Promise<void> {
  for await (const { name, entry } of childrenOf(view, folder.position)) {
    const existing = target.stat(name);
    if (existing === undefined || isExcluded(options.exclusions, names, name, entry)) continue;
    if (entry.kind !== 'folder' || !existing.isDirectory()) {
      const same = await isSame(target, name, existing, entry, options.sameContent);
      if (!same) mayReplace('refuse', existing, entry, target.shown(name));
      continue;
    }
    const below = target.openFolder(name);
    try {
      await requireNoConflict(view, entry, below, options, [...names, name]);
    } finally {
      below.close();
    }
  }
}

function mtimeOf({ mtimeSec, mtimeNsec }: ArchiveEntry): bigint {
  return BigInt(mtimeSec) * 1_000_000_000n + BigInt(mtimeNsec);
}
