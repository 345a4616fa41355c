import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { CairnError, fromSystemError } from '../core/errors.js';
import { isGroupType, parseGroupPath } from '../core/group.js';
import { parseTreeName, type TreeChoice, type TreeName } from '../core/tree-name.js';
import { announcementOf, existingStore, surroundings } from './context.js';
import { chooseStore, mountOf } from './store-choice.js';

/** A tree of a datastore, and a path in it. */
export interface ChosenTree {
  /** Real path of the datastore. */
  readonly store: string;
  readonly tree: TreeName;
  /** Relative, without `.` and `..`; empty for the whole tree. */
  readonly path: string;
}

const NAMED = /^([^:]*)\/(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z|latest|current)\/*(?::(.*))?$/s;

/**
 * Which tree, and which path in it, a command means: `host/web1/2026-11-20T10:00:00Z:etc/hosts`, `host/web1/latest`, or a
 * path inside a mount, which then tells the datastore too: it starts with `/` or `.`, or is no name of a tree.
 * @param given the datastore, as `--store` says
 * @throws {CairnError} `invalid` where that is none, `not-found`
 */
export async function chooseTree(text: string, given: string | undefined): Promise<ChosenTree> {
  if (startsAsPath(text)) return insideMount(text, given);
  const named = NAMED.exec(text);
  const name = named === null ? text : `${named[1]}/${named[2]}`;
  let tree: TreeName;
  try {
    tree = parseTreeName(name);
  } catch (error) {
    if (!(await liesInMount(text))) throw error;
    return insideMount(text, given);
  }
  return { store: await existingStore(given), tree, path: plainPath(named?.[3] ?? '') };
}

/** Whether it is meant as a path: it says so by its beginning, or it lies in a mount. */
export async function isPath(text: string): Promise<boolean> {
  return startsAsPath(text) || (await liesInMount(text));
}

function startsAsPath(text: string): boolean {
  return text.startsWith(sep) || text.startsWith('.');
}

/** Whether it is, seen from the working folder, a path in some mount. */
async function liesInMount(text: string): Promise<boolean> {
  return text !== '' && mountOf(await realParent(resolve(text)), await surroundings.mounts()) !== undefined;
}

/** As above, where the whole of a finished snapshot is meant. @throws {CairnError} `invalid` for a path in it or the live tree */
export async function chooseSnapshot(text: string, given: string | undefined): Promise<ChosenTree> {
  const chosen = await chooseTree(text, given);
  if (chosen.path !== '') throw new CairnError('invalid', `${text} is a path in a snapshot; wanted is the snapshot`);
  if (chosen.tree.which === 'current') throw new CairnError('invalid', `${text} is the live tree, not a snapshot`);
  return chosen;
}

/** @throws {CairnError} `invalid` for a path that leads out of the tree */
export function plainPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new CairnError('invalid', `The path ${JSON.stringify(path)} holds ".."`);
  return parts.join('/');
}

async function insideMount(text: string, given: string | undefined): Promise<ChosenTree> {
  const absolute = resolve(text);
  const path = await realParent(absolute);
  const mount = mountOf(path, await surroundings.mounts());
  if (mount === undefined) throw new CairnError('invalid', `${path} is not inside a mounted datastore`);
  if (given !== undefined && (await chooseStore(given, surroundings)) !== mount.store) {
    throw new CairnError('invalid', `${path} is inside a mount of ${mount.store}, not of ${given}`);
  }
  const parts = path
    .slice(mount.mountpoint.length)
    .split(sep)
    .filter((part) => part !== '');
  const group = announcementOf(mount.store)?.group ?? null;
  return {
    store: await existingStore(mount.store),
    ...(group === null ? wholeMount(path, parts) : groupMount(group, parts)),
  };
}

/**
 * The path with links resolved but for its last component, which may be one that is meant itself. What is not there any more
 * may be in a snapshot: it stays as it is named.
 */
async function realParent(absolute: string): Promise<string> {
  const folder = dirname(absolute);
  try {
    return join(await realpath(folder), basename(absolute));
  } catch (error) {
    const failure = fromSystemError(error, `find ${absolute}`);
    if (failure.kind !== 'not-found' && failure.kind !== 'not-a-directory') throw failure;
    return join(await realParent(folder), basename(absolute));
  }
}

function wholeMount(path: string, parts: readonly string[]): { tree: TreeName; path: string } {
  let at = 0;
  while (parts[at] === 'ns') at += 2;
  if (!isGroupType(parts[at] ?? '') || parts.length < at + 3) {
    throw new CairnError('invalid', `${path} is no snapshot, nor inside one`);
  }
  return { tree: parseTreeName(parts.slice(0, at + 3).join('/')), path: parts.slice(at + 3).join('/') };
}

/** A group mounted alone shows its live tree, and the snapshots under `.snapshots`. */
function groupMount(group: string, parts: readonly string[]): { tree: TreeName; path: string } {
  if (parts[0] !== '.snapshots') {
    const which: TreeChoice = 'current';
    return { tree: { group: parseGroupPath(group), which }, path: parts.join('/') };
  }
  return { tree: parseTreeName(`${group}/${parts[1] ?? ''}`), path: parts.slice(2).join('/') };
}
