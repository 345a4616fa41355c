import type { Command } from 'commander';
import { addGc } from './gc.js';
import { addGcStatus } from './gc-status.js';
import { addGcUndelete } from './gc-undelete.js';

/** `cairn gc` and what is below it. */
export function addGcCommands(program: Command): void {
  const gc = addGc(program);
  addGcStatus(gc);
  addGcUndelete(gc);
}
