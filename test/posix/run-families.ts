import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { acls, xattrs } from './attributes.js';
import { content } from './content.js';
import { copying } from './copying.js';
import { asUser, type Family, NOBODY, type PosixCase } from './family.js';
import { folders } from './folders.js';
import { links, unlinkOpen } from './links.js';
import { locks, mapping } from './mapping.js';
import { names } from './names.js';
import { nodes } from './nodes.js';
import { openFlags, syncing } from './opening.js';
import { modes, owners } from './permissions.js';
import { rename } from './rename.js';
import { setId } from './set-id.js';
import { sparse, truncate } from './size.js';
import { symlinks } from './symlinks.js';
import { times } from './times.js';

export const FAMILIES: readonly Family[] = [
  names,
  folders,
  links,
  unlinkOpen,
  rename,
  content,
  copying,
  openFlags,
  truncate,
  sparse,
  times,
  modes,
  owners,
  setId,
  xattrs,
  acls,
  symlinks,
  nodes,
  syncing,
  mapping,
  locks,
];

const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : 'needs root';

/** Cases of which it is known that they fail, by title (`family: case`), whoever runs them. */
export type KnownFailures = ReadonlyMap<string, { readonly reason: string }>;

/**
 * Declares a test for each case of each family; each gets an empty folder that `base` makes a place for. One that is known
 * to fail has to.
 */
export function testFamilies(base: () => string, families = FAMILIES, failing: KnownFailures = new Map()): void {
  const missing = new Set(failing.keys());
  const declare = (family: string, name: string, run: PosixCase, who = '', skipped: string | false = skip): void => {
    const title = `${family}: ${name}`;
    const known = failing.get(title);
    missing.delete(title);
    const shown = `${family}${who}: ${name}`;
    const options = { skip: skipped };
    if (known === undefined) test(shown, options, () => inFolder(base(), run));
    else test(`${shown} (fails: ${known.reason})`, options, () => inFolder(base(), failingOnly(run)));
  };
  for (const family of families) {
    for (const [name, run] of Object.entries(family.cases)) {
      declare(family.name, name, run, '', false);
      declare(family.name, name, asNobody(run), ', as an ordinary user');
    }
    for (const [name, run] of Object.entries(family.rootCases ?? {})) declare(family.name, name, run);
  }
  assert.deepEqual([...missing], [], 'known failures of cases that are not there');
}

/** The case, which is expected to fail. */
function failingOnly(run: PosixCase): PosixCase {
  return (folder) => assert.throws(() => run(folder), 'it does not fail any more: take it off the list');
}

/** The case as somebody who owns the folder and has no rights beyond that. */
function asNobody(run: PosixCase): PosixCase {
  return (folder) => {
    chownSync(folder, NOBODY, NOBODY);
    asUser(NOBODY, NOBODY, () => run(folder));
  };
}

function inFolder(base: string, run: PosixCase): void {
  const folder = mkdtempSync(join(base, 'case-'));
  chmodSync(folder, 0o755);
  try {
    run(folder);
  } finally {
    outputOf('rm', ['-rf', folder]);
  }
}

/** A folder below `parent` that any user may pass through. */
export function openFolder(parent: string): string {
  const folder = join(parent, 'posix');
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  return folder;
}
