import { createInterface } from 'node:readline/promises';
import { escapeControls } from '../core/control-characters.js';
import { CairnError } from '../core/errors.js';

/**
 * Asks on the terminal before something is replaced.
 * @throws {CairnError} `interrupted` where the answer is no, `invalid` where nobody can be asked
 */
export async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY) throw new CairnError('invalid', `${question} Say so with --yes`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    if (/^y(es)?$/i.test((await terminal.question(`${escapeControls(question)} [y/N] `)).trim())) return;
  } finally {
    terminal.close();
  }
  throw new CairnError('interrupted', 'Nothing was changed');
}
