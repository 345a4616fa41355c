import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { CairnError, fromSystemError } from '../core/errors.js';
import { checkApart } from '../datastore/nesting.js';
import { isStaleMount, MOUNT_TYPE, mountTable, unmountFuse } from '../native/fuse-mount.js';

/** One of our mounts. */
export interface CairnMount {
  readonly mountpoint: string;
  /** Real path of the datastore: the mount's source. */
  readonly store: string;
}

/** Our mounts on this machine, in the order they were made, served or not. */
export async function cairnMounts(): Promise<CairnMount[]> {
  const entries = await mountTable();
  return entries
    .filter((entry) => entry.type === MOUNT_TYPE && isAbsolute(entry.source))
    .map((entry) => ({ mountpoint: entry.mountpoint, store: entry.source }));
}

/**
 * The real path of a folder, also where a mount nobody serves any more hides it.
 * @throws {CairnError} `not-found` and the like
 */
export async function realFolderPath(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch (error) {
    const failure = fromSystemError(error, `use ${absolute}`);
    if (failure.kind === 'not-found')
      throw new CairnError('not-found', `There is no folder ${absolute}`, { cause: error });
    if (!isDead(error)) throw failure;
    return join(await realpath(dirname(absolute)), basename(absolute));
  }
}

/** Takes a mount away though it may be in use or nobody serves it. */
export async function removeMount(mountpoint: string): Promise<void> {
  await unmountFuse(mountpoint, { lazy: true });
}

/**
 * Takes away what killed daemons left mounted: any mount of this datastore, whose claim the caller holds, and
 * whatever of ours is dead at the mountpoint.
 * @returns the mountpoints that were freed
 */
export async function removeStaleMounts(store: string, mountpoint: string): Promise<string[]> {
  const freed: string[] = [];
  for (const mount of await cairnMounts()) {
    const dead = mount.store === store || (mount.mountpoint === mountpoint && (await isStaleMount(mountpoint)));
    if (!dead) continue;
    await removeMount(mount.mountpoint);
    freed.push(mount.mountpoint);
  }
  return freed;
}

/**
 * Checks that a datastore can be mounted on a folder. Stale mounts are to be removed before.
 * @throws {CairnError} `busy` where something is mounted there, `not-a-directory`, `not-found`, `invalid`
 *   where one is inside the other
 */
export async function checkMountpoint(store: string, mountpoint: string): Promise<void> {
  checkApart(store, mountpoint);
  const mounted = (await mountTable()).findLast((entry) => entry.mountpoint === mountpoint);
  if (mounted !== undefined) {
    throw new CairnError(
      'busy',
      `${mountpoint} is a mountpoint already (${mounted.type} of ${mounted.source}): unmount it or choose another folder`,
    );
  }
  if (!(await isFolder(mountpoint))) {
    throw new CairnError('not-a-directory', `The mountpoint ${mountpoint} is not a folder`);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw fromSystemError(error, `mount on ${path}`);
  }
}

/** What the kernel says of a FUSE mount nobody serves. */
function isDead(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOTCONN' || code === 'ECONNABORTED';
}
