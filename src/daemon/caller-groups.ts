import { readFileSync } from 'node:fs';
import type { Caller } from '../vfs/api.js';

/**
 * Whether a group is the caller's own or a supplementary one, which FUSE does not send: /proc/<pid>/status says. Reading it
 * waits for nothing, and is done only where setgid depends on it. Whoever cannot be looked at is in no further group.
 */
export function isInGroup(caller: Caller, gid: number): boolean {
  return caller.gid === gid || supplementaryGroups(caller.pid).includes(gid);
}

function supplementaryGroups(pid: number): number[] {
  if (pid === 0) return [];
  try {
    const line = readFileSync(`/proc/${pid}/status`, 'latin1').match(/^Groups:\s*([\d ]*)$/m);
    return (line?.[1] ?? '').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
