import { readFile } from 'node:fs/promises';

/** The text of the kernel's counts of what the processors did since the machine started (proc_stat(5)). */
export function readProcessorStat(): Promise<string> {
  return readFile('/proc/stat', 'latin1');
}
