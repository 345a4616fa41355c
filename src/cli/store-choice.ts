import { sep } from 'node:path';
import { CairnError } from '../core/errors.js';
import { type GroupName, isGroupType, parseGroupPath } from '../core/group.js';
import { type CairnMount, realFolderPath } from '../daemon/mounts.js';

/** What the choice of a datastore depends on besides the command line. */
export interface Surroundings {
  /** `$CAIRN_STORE`, where set. */
  readonly environmentStore: string | undefined;
  mounts(): Promise<readonly CairnMount[]>;
}

/** A group of a datastore. */
export interface GroupChoice {
  readonly store: string;
  readonly group: GroupName;
}

/**
 * Which datastore a command means (design §1): what is given, else `$CAIRN_STORE`, else the only one mounted.
 * Given may be its folder, or a mountpoint or anything below one.
 * @returns its real path; nothing says that there is a datastore
 * @throws {CairnError} `invalid` where that does not tell, `unsupported` for an s3:// address
 */
export async function chooseStore(given: string | undefined, surroundings: Surroundings): Promise<string> {
  const named = given ?? surroundings.environmentStore;
  if (named === undefined) return onlyMounted(await surroundings.mounts());
  if (/^s3:/i.test(named)) {
    const how = `attach it into one ("cairn attach ${named} FOLDER") and name that`;
    throw new CairnError('unsupported', `${named}: a datastore on S3 is used through a folder: ${how}`);
  }
  if (named === '') throw new CairnError('invalid', 'The datastore given is empty: give the path of a folder');
  const path = await realFolderPath(named);
  return mountOf(path, await surroundings.mounts())?.store ?? path;
}

/**
 * Which group a command means: `host/web1`, or its path (or one below it) inside a mount, which then tells
 * the datastore too. A path starts with `/` or `.`, or is no name of a group and leads to a folder inside a mount.
 * @param mountedGroup the group a mount of that datastore shows as a plain drive, if it does
 * @throws {CairnError} `invalid` where that is no group, or a group of another datastore than the one given
 */
export async function chooseGroup(
  given: string,
  store: string | undefined,
  surroundings: Surroundings,
  mountedGroup: (store: string) => string | null,
): Promise<GroupChoice> {
  const named = given.startsWith(sep) || given.startsWith('.') ? undefined : await groupNamed(given, surroundings);
  if (named !== undefined) return { store: await chooseStore(store, surroundings), group: named };
  const path = await realFolderPath(given);
  const mount = mountOf(path, await surroundings.mounts());
  if (mount === undefined) throw new CairnError('invalid', `${path} is not inside a mounted datastore`);
  if (store !== undefined && (await chooseStore(store, surroundings)) !== mount.store) {
    throw new CairnError('invalid', `${path} is inside a mount of ${mount.store}, not of ${store}`);
  }
  const whole = mountedGroup(mount.store);
  return { store: mount.store, group: parseGroupPath(whole ?? groupPart(path.slice(mount.mountpoint.length))) };
}

/** The group of that name; undefined where it is a path. @throws {CairnError} `invalid` where it is neither */
async function groupNamed(given: string, { mounts }: Surroundings): Promise<GroupName | undefined> {
  try {
    return parseGroupPath(given);
  } catch (error) {
    const path = given === '' ? undefined : await realFolderPath(given).catch(() => undefined);
    if (path === undefined || mountOf(path, await mounts()) === undefined) throw error;
    return undefined;
  }
}

function onlyMounted(mounts: readonly CairnMount[]): string {
  const stores = [...new Set(mounts.map((mount) => mount.store))];
  const [only, ...others] = stores;
  if (only === undefined) {
    throw new CairnError('invalid', 'No datastore is mounted: name one with --store PATH or $CAIRN_STORE');
  }
  if (others.length > 0) {
    throw new CairnError(
      'invalid',
      `Several datastores are mounted (${stores.join(', ')}): say which with --store PATH`,
    );
  }
  return only;
}

/** The innermost mount that holds the path. */
export function mountOf(path: string, mounts: readonly CairnMount[]): CairnMount | undefined {
  return mounts
    .filter(({ mountpoint }) => path === mountpoint || path.startsWith(mountpoint + sep))
    .sort((a, b) => a.mountpoint.length - b.mountpoint.length)
    .at(-1);
}

/** The part of a path below a mountpoint that names the group: it ends behind the component that follows the type. */
function groupPart(path: string): string {
  const parts = path.split(sep).filter((part) => part !== '');
  let at = 0;
  while (parts[at] === 'ns') at += 2;
  return isGroupType(parts[at] ?? '') ? parts.slice(0, at + 2).join('/') : parts.join('/');
}
