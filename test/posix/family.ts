import assert from 'node:assert/strict';

/**
 * One statement about a file system: a function that uses nothing but an empty folder on it. It runs on ext4
 * first, so that a wrong expectation is found there, then on the mount.
 */
export type PosixCase = (folder: string) => void;

/** Cases that belong together, by what they state. */
export interface Family {
  readonly name: string;
  readonly cases: Readonly<Record<string, PosixCase>>;
  /** Cases that need root. */
  readonly rootCases?: Readonly<Record<string, PosixCase>>;
}

/** An ordinary user and group that own nothing. */
export const NOBODY = 65534;

/** Longer than a tick of the kernel's coarse clock (10 ms at HZ=100), which stamps the files of many file systems. */
const TICK_MILLISECONDS = 12;

/** Returns when a file changed from now on gets another time than one changed before. */
export function letClockAdvance(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TICK_MILLISECONDS);
}

/** Does something with the effective rights of another user; only for root, and only for synchronous actions. */
export function asUser<T>(uid: number, gid: number, action: () => T): T {
  const { setegid, seteuid, getegid, geteuid, setgroups, getgroups } = process;
  assert.ok(setegid && seteuid && getegid && geteuid && setgroups && getgroups);
  const before = { uid: geteuid.call(process), gid: getegid.call(process), groups: getgroups.call(process) };
  setgroups.call(process, [gid]);
  setegid.call(process, gid);
  seteuid.call(process, uid);
  try {
    return action();
  } finally {
    seteuid.call(process, before.uid);
    setegid.call(process, before.gid);
    setgroups.call(process, before.groups);
  }
}
