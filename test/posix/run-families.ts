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

const FAMILIES: readonly Family[] = [
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

/** Declares a test for each case of each family; each gets an empty folder that `base` makes a place for. */
export function testFamilies(base: () => string): void {
  for (const family of FAMILIES) {
    for (const [name, run] of Object.entries(family.cases)) {
      test(`${family.name}: ${name}`, () => inFolder(base(), run));
      test(`${family.name}, as an ordinary user: ${name}`, { skip }, () => inFolder(base(), asNobody(run)));
    }
    for (const [name, run] of Object.entries(family.rootCases ?? {})) {
      test(`${family.name}: ${name}`, { skip }, () => inFolder(base(), run));
    }
  }
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
