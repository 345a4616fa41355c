import { readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { CairnError, fromSystemError } from '../core/errors.js';
import { addon } from './addon.js';

interface FuseMountFunctions {
  fuseMountRoot(
    mountpoint: string,
    type: string,
    source: string,
    noSuidNoDevices: boolean,
    readOnly: boolean,
    options: string,
  ): Promise<number>;
  fuseMountHelper(program: string, mountpoint: string, options: string): Promise<number>;
  fuseUnmountRoot(mountpoint: string, lazy: boolean, force: boolean): Promise<void>;
  fuseUnmountHelper(program: string, mountpoint: string, lazy: boolean): Promise<void>;
  fuseProbeMount(mountpoint: string): Promise<number>;
}

const native = addon as FuseMountFunctions;

const SUBTYPE = 'cairn';
const HELPER = 'fusermount3';
const MOUNT_TABLE = '/proc/self/mountinfo';

/** The file system type of Cairn's mounts in the mount table. */
export const MOUNT_TYPE = `fuse.${SUBTYPE}`;

export interface MountOptions {
  /** What `mount` and `df` show as the device: the datastore's path or address. */
  readonly source: string;
  /** Largest READ in bytes. */
  readonly maxReadBytes: number;
  /** Let other users in (permission bits are checked by the kernel). Default: as root yes, else no. */
  readonly allowOther?: boolean;
  /** Honour setuid bits and device nodes; root only. Default no. */
  readonly allowSuidAndDevices?: boolean;
  readonly readOnly?: boolean;
}

/** One line of the mount table. */
export interface MountEntry {
  readonly mountpoint: string;
  readonly type: string;
  readonly source: string;
  readonly options: string;
  /** Device number of the file system, `major:minor`; the minor names the FUSE connection. */
  readonly device: string;
}

/**
 * Mounts: mount(2) as root, `fusermount3` otherwise. The mount answers once a session serves the descriptor.
 * @return the /dev/fuse descriptor, non-blocking; the caller owns it
 * @throws {CairnError} `not-ready` where FUSE is not there, `not-found`, `not-a-directory` or `busy` for the mountpoint,
 *   `not-permitted`
 */
export async function mountFuse(mountpoint: string, options: MountOptions): Promise<number> {
  const place = await usableMountpoint(mountpoint);
  const root = process.geteuid?.() === 0;
  const settings = ['default_permissions', `max_read=${options.maxReadBytes}`];
  if (options.allowOther ?? root) settings.push('allow_other');
  try {
    if (root) {
      const guarded = options.allowSuidAndDevices !== true;
      const readOnly = options.readOnly === true;
      return await native.fuseMountRoot(place, MOUNT_TYPE, options.source, guarded, readOnly, settings.join(','));
    }
    if (options.readOnly === true) settings.push('ro');
    settings.push(`subtype=${SUBTYPE}`, `fsname=${options.source.replace(/[\\,]/g, '\\$&')}`);
    return await native.fuseMountHelper(HELPER, place, settings.join(','));
  } catch (error) {
    throw explainMountError(error, place);
  }
}

export interface UnmountOptions {
  /** Takes the mount out of the tree at once and lets those go on who have files open. */
  readonly lazy?: boolean;
  /** Aborts the connection first: everybody who waits for an answer gets an error. For dead servers; root only. */
  readonly force?: boolean;
}

/**
 * Unmounts.
 * @throws {CairnError} `busy` while files are open, `invalid` where nothing is mounted
 */
export async function unmountFuse(mountpoint: string, options: UnmountOptions = {}): Promise<void> {
  const place = await resolvedPath(mountpoint);
  const lazy = options.lazy === true;
  try {
    if (process.geteuid?.() === 0) await native.fuseUnmountRoot(place, lazy, options.force === true);
    else await native.fuseUnmountHelper(HELPER, place, lazy);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (hasCode(error, 'EBUSY') || /busy/i.test(message)) {
      throw new CairnError('busy', `${place} is in use; close what is open there, or unmount lazily`, { cause: error });
    }
    if (hasCode(error, 'EINVAL')) throw new CairnError('invalid', `Nothing is mounted at ${place}`, { cause: error });
    throw fromSystemError(error, `unmount ${place}`);
  }
}

/** The mounts this process sees, in the order they were made. */
export async function mountTable(): Promise<MountEntry[]> {
  const table = (await readFile(MOUNT_TABLE)).toString('latin1');
  return table.split('\n').flatMap((line) => parseMountLine(line) ?? []);
}

/**
 * One line of /proc/self/mountinfo (proc(5)), read as Latin-1; undefined for anything else.
 * Blanks and the like come as octal escapes.
 */
export function parseMountLine(line: string): MountEntry | undefined {
  const [before, after] = line.split(' - ');
  if (before === undefined || after === undefined) return undefined;
  const [, , device, , mountpoint, options] = before.split(' ');
  const [type, source] = after.split(' ');
  if (device === undefined || mountpoint === undefined || type === undefined) return undefined;
  return {
    mountpoint: unescapeField(mountpoint),
    type: unescapeField(type),
    source: unescapeField(source ?? ''),
    options: options ?? '',
    device,
  };
}

/**
 * Whether a FUSE mount is there whose server has gone ("Transport endpoint is not connected"). Waits for as long as a
 * living server takes to answer.
 */
export async function isStaleMount(path: string): Promise<boolean> {
  const error = await native.fuseProbeMount(path);
  return error === constants.errno.ENOTCONN || error === constants.errno.ECONNABORTED;
}

/**
 * Sets how far the kernel reads ahead on a mount of this process; by default 128 KiB, whatever the server asks for. Waits until
 * the server has agreed with the kernel, which sets it anew then. Needs root.
 * @return whether it could be set
 */
export async function setReadAhead(mountpoint: string, bytes: number): Promise<boolean> {
  try {
    const place = await realpath(mountpoint);
    await stat(place);
    const entry = (await mountTable()).findLast((candidate) => candidate.mountpoint === place);
    if (entry?.type !== MOUNT_TYPE) return false;
    await writeFile(`/sys/class/bdi/${entry.device}/read_ahead_kb`, String(Math.floor(bytes / 1024)));
    return true;
  } catch {
    return false;
  }
}

function unescapeField(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The path without links; of a dead mount only the folders above can be looked at. */
async function resolvedPath(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch {
    const parent = dirname(absolute);
    return join(await realpath(parent).catch(() => parent), basename(absolute));
  }
}

async function usableMountpoint(mountpoint: string): Promise<string> {
  const place = await resolvedPath(mountpoint);
  if ((await mountTable()).some((entry) => entry.mountpoint === place)) {
    const dead = await isStaleMount(place);
    const what = dead ? 'A mount whose server has gone is still' : 'Something is already mounted';
    const advice = dead ? `; take it away with "fusermount3 -uz ${place}"` : '';
    throw new CairnError('busy', `${what} at ${place}${advice}`);
  }
  try {
    if ((await stat(place)).isDirectory()) return place;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      throw new CairnError('not-found', `The mountpoint ${place} does not exist; make it with mkdir`, { cause: error });
    }
    throw fromSystemError(error, `look at the mountpoint ${place}`);
  }
  throw new CairnError('not-a-directory', `The mountpoint ${place} is not a folder`);
}

function explainMountError(error: unknown, place: string): CairnError {
  const message = error instanceof Error ? error.message : String(error);
  const path = typeof error === 'object' && error !== null && 'path' in error ? error.path : undefined;
  const noDevice = path === '/dev/fuse' || /\/dev\/fuse|kernel module/.test(message);
  if (noDevice || hasCode(error, 'ENODEV')) {
    const advice = 'run "modprobe fuse"; a container needs --device /dev/fuse and --cap-add SYS_ADMIN';
    return new CairnError('not-ready', `FUSE is not available (${message}); ${advice}`, { cause: error });
  }
  if (path === HELPER) {
    return new CairnError('not-ready', 'fusermount3 cannot be run; install the package fuse3', { cause: error });
  }
  if (hasCode(error, 'EPERM')) {
    const advice = 'a container needs --cap-add SYS_ADMIN';
    return new CairnError('not-permitted', `Not permitted to mount at ${place}; ${advice}`, { cause: error });
  }
  if (/allow_other/.test(message)) {
    const advice = 'it needs user_allow_other in /etc/fuse.conf';
    return new CairnError('not-permitted', `allow_other was refused: ${advice}`, { cause: error });
  }
  return fromSystemError(error, `mount at ${place}`);
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
