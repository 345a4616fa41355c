import { addon } from './addon.js';
import { type FilePath, requireBytes, requireInteger, requirePath } from './check.js';

// What Node's own file functions cannot set: times to the nanosecond, extended attributes, device nodes. System calls on
// the calling thread: for commands, not for the mount worker. All throw Errors of the system (`code`, `errno`, `syscall`).

/** What an operation is about: an open file's descriptor, or a path whose last component is not followed. */
export type NodeTarget = number | FilePath;

const native = addon as {
  setTimes(target: NodeTarget, atimeSec: number, atimeNsec: number, mtimeSec: number, mtimeNsec: number): void;
  setXattr(target: NodeTarget, name: Uint8Array, value: Uint8Array): void;
  removeXattr(target: NodeTarget, name: Uint8Array): void;
  xattrNames(target: NodeTarget): Buffer;
  xattrValue(target: NodeTarget, name: Uint8Array): Buffer;
  makeNode(path: FilePath, mode: number, major: number, minor: number): void;
};

/** Seconds since 1970 and nanoseconds. */
export interface NodeTime {
  readonly sec: number;
  readonly nsec: number;
}

const MAX_DESCRIPTOR = 0x7fffffff;
const MAX_NSEC = 999_999_999;

function requireTarget(target: NodeTarget): void {
  if (typeof target === 'number') requireInteger(target, 'descriptor', 0, MAX_DESCRIPTOR);
  else requirePath(target);
}

function requireTime({ sec, nsec }: NodeTime): void {
  requireInteger(sec, 'sec', Number.MIN_SAFE_INTEGER);
  requireInteger(nsec, 'nsec', 0, MAX_NSEC);
}

/** utimensat(2). */
export function setTimes(target: NodeTarget, atime: NodeTime, mtime: NodeTime): void {
  requireTarget(target);
  requireTime(atime);
  requireTime(mtime);
  native.setTimes(target, atime.sec, atime.nsec, mtime.sec, mtime.nsec);
}

/** lsetxattr(2): makes the attribute or replaces its value. */
export function setXattr(target: NodeTarget, name: Uint8Array, value: Uint8Array): void {
  requireTarget(target);
  requirePath(name, 'name');
  requireBytes(value, 'value');
  native.setXattr(target, name, value);
}

/** lremovexattr(2); throws `ENODATA` where there is none. */
export function removeXattr(target: NodeTarget, name: Uint8Array): void {
  requireTarget(target);
  requirePath(name, 'name');
  native.removeXattr(target, name);
}

/** llistxattr(2): the names, in no order. */
export function xattrNames(target: NodeTarget): Buffer[] {
  requireTarget(target);
  const text = native.xattrNames(target);
  const names: Buffer[] = [];
  for (let start = 0, end = text.indexOf(0); end >= 0; start = end + 1, end = text.indexOf(0, start)) {
    names.push(text.subarray(start, end));
  }
  return names;
}

/** lgetxattr(2); throws `ENODATA` where there is none. */
export function xattrValue(target: NodeTarget, name: Uint8Array): Buffer {
  requireTarget(target);
  requirePath(name, 'name');
  return native.xattrValue(target, name);
}

/**
 * mknod(2): a FIFO, a socket or a device node; the umask applies.
 * @param mode full st_mode: type and permission bits
 */
export function makeNode(path: FilePath, mode: number, major: number, minor: number): void {
  requirePath(path);
  requireInteger(mode, 'mode', 0, 0o177777);
  requireInteger(major, 'major', 0, 0xffffffff);
  requireInteger(minor, 'minor', 0, 0xffffffff);
  native.makeNode(path, mode, major, minor);
}
