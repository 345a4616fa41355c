import { readFileSync } from 'node:fs';

/** SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH: nobody dies of these (signal(7)). */
const HARMLESS = maskOf(17, 18, 19, 20, 21, 22, 23, 28);
const KILL = maskOf(9);

function maskOf(...signals: readonly number[]): bigint {
  return signals.reduce((mask, signal) => mask | (1n << BigInt(signal - 1)), 0n);
}

/** Bit of a thread's flags: it is in exit(2) (PF_EXITING). */
const EXITING = 4;

/**
 * Whether a thread is about to die of a signal, or does so already, as /proc/<tid> says. A signal that has a handler is no reason to
 * give a request up: a write that fails with EINTR surprises most programs, and local file systems never do that.
 * Reading it waits for nothing: the kernel makes the file up.
 * @param tid as FUSE gives it; 0 where it is in another pid namespace, of which nothing is known
 */
export function isDying(tid: number): boolean {
  if (tid === 0) return false;
  try {
    const about = (file: string) => readFileSync(`/proc/${tid}/${file}`, 'latin1');
    return diesBy(about('status')) || endsBySignal(about('stat'));
  } catch {
    return true;
  }
}

/** Whether the text of a stat file (proc(5)) is that of a thread that closes its files because a signal killed it. */
export function endsBySignal(stat: string): boolean {
  // Behind the name, which may hold anything, the third field follows; the ninth are the flags, the 52nd the exit code.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [flags, exitCode] = [Number(fields[9 - 3]), Number(fields[52 - 3])];
  return (flags & EXITING) !== 0 && (exitCode & 0x7f) !== 0;
}

/** Whether the text of a status file names a signal that will end the thread. */
export function diesBy(status: string): boolean {
  const mask = (field: string) =>
    BigInt(`0x${status.match(new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm'))?.[1] ?? '0'}`);
  const pending = mask('SigPnd') | mask('ShdPnd');
  const kept = mask('SigBlk') | mask('SigIgn') | mask('SigCgt');
  return (pending & KILL) !== 0n || (pending & ~kept & ~HARMLESS) !== 0n;
}
