import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf } from './commands.js';

/** Calls `body` with a folder that shows the kernel's figures of FUSE connections. Needs root. */
export async function withFuseControl<T>(folder: string, body: (control: string) => Promise<T>): Promise<T> {
  const control = join(folder, 'control');
  mkdirSync(control);
  outputOf('mount', ['-t', 'fusectl', 'none', control]);
  try {
    return await body(control);
  } finally {
    outputOf('umount', [control]);
  }
}

/** The file in `control` that tells how many requests of a mount wait for an answer. */
export function waitingFile(control: string, mountpoint: string): string {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((text) => text.split(' '))
    .findLast((fields) => fields[4] === mountpoint);
  return join(control, String(line?.[2]?.split(':')[1]), 'waiting');
}
