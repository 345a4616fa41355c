import { readFileSync } from 'node:fs';

/** SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH: nobody dies of these (signal(7)). */
const HARMLESS = maskOf(17, 18, 19, 20, 21, 22, 23, 28);
const KILL = maskOf(9);

function maskOf(...signals: readonly number[]): bigint {
  return signals.reduce((mask, signal) => mask | (1n << BigInt(signal - 1)), 0n);
}

/**
 * Whether a thread is about to die of a signal, as its /proc/<tid>/status says. A signal that has a handler is no reason to
 * give a request up: a write that fails with EINTR surprises most programs, and local file systems never do that.
 * Reading it waits for nothing: the kernel makes the file up. (Other files of /proc/<tid>, `stat` among them, wait for an
 * execve(2) to end, which may itself wait for us to answer the FLUSH of a file it closes.)
 * @param tid as FUSE gives it; 0 where it is in another pid namespace, of which nothing is known
 */
export function isDying(tid: number): boolean {
  if (tid === 0) return false;
  let status: string;
  try {
    status = readFileSync(`/proc/${tid}/status`, 'latin1');
  } catch {
    return true;
  }
  return diesBy(status);
}

/** Whether the text of a status file names a signal that will end the thread. */
export function diesBy(status: string): boolean {
  const mask = (field: string) =>
    BigInt(`0x${status.match(new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm'))?.[1] ?? '0'}`);
  const pending = mask('SigPnd') | mask('ShdPnd');
  const kept = mask('SigBlk') | mask('SigIgn') | mask('SigCgt');
  return (pending & KILL) !== 0n || (pending & ~kept & ~HARMLESS) !== 0n;
}
