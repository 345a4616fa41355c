import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BackedUp } from '../../src/control/backup-commands.js';
import { hashedBytes } from '../../src/native/hashed-bytes.js';
import { BackupCase } from '../support/backup-case.js';
import { noise } from '../support/noise.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const WANTED = { excludes: ['*.o'] };

function makeTree(source: string): void {
  for (const folder of ['a/deep/er', 'm/many', 'z']) mkdirSync(join(source, folder), { recursive: true });
  const write = (name: string, bytes: number) => writeFileSync(join(source, name), noise(name, bytes));
  for (let i = 0; i < 700; i += 1) write(`m/many/${i}`, 20 + i);
  for (const [name, bytes] of [
    ['a/empty', 0],
    ['a/deep/er/small', 5000],
    ['large', 3_000_000],
    ['z/last', 9],
  ] as const)
    write(name, bytes);
  write('m/left.o', 10);
  const sparse = openSync(join(source, 'z/holes'), 'w');
  ftruncateSync(sparse, 1 << 20);
  closeSync(sparse);
  linkSync(join(source, 'a/deep/er/small'), join(source, 'z/second'));
  symlinkSync('deep/er', join(source, 'a/link'));
  execFileSync('mkfifo', [join(source, 'a/fifo')]);
  utimesSync(join(source, 'm/many/3'), -1000.5, -1000.5);
}

/** What may come to a tree: each is to be seen. */
const CHANGES: Readonly<Record<string, (at: (name: string) => string) => void>> = {
  'a byte more in the last file': (at) => appendFileSync(at('z/last'), 'x'),
  'other bytes, the same length and modification time': (at) => {
    const { atime, mtime } = statSync(at('m/many/7'));
    writeFileSync(at('m/many/7'), noise('other', 27));
    utimesSync(at('m/many/7'), atime, mtime);
  },
  'the mode of a file': (at) => chmodSync(at('m/many/9'), 0o600),
  'the mode of a folder': (at) => chmodSync(at('a/deep'), 0o700),
  'the mode of the source': (at) => chmodSync(at('.'), 0o700),
  'the time of a folder': (at) => utimesSync(at('z'), 1, 1),
  'a new name at the end': (at) => writeFileSync(at('zz'), ''),
  'a new folder': (at) => mkdirSync(at('z/new')),
  'a file less': (at) => rmSync(at('m/many/699')),
  'another name': (at) => renameSync(at('m/many/8'), at('m/many/8a')),
  'another target': (at) => {
    rmSync(at('a/link'));
    symlinkSync('deep/re', at('a/link'));
  },
  'one more link': (at) => linkSync(at('large'), at('z/third')),
  'two files where there was one with two names': (at) => {
    rmSync(at('z/second'));
    writeFileSync(at('z/second'), readFileSync(at('a/deep/er/small')));
  },
  'a folder where there was a file': (at) => {
    rmSync(at('a/empty'));
    mkdirSync(at('a/empty'));
  },
  'an extended attribute': (at) => void execFileSync('setfattr', ['-n', 'user.x', '-v', 'y', at('z/last')]),
};

test('a source that is as it was is listed again, without encoding anything; whatever changes in it is seen', async (context) => {
  const made = await BackupCase.in(temporaryFolder(context));
  makeTree(made.source);
  const first = await made.backup(WANTED);
  assert.deepEqual([first.problems, first.figures.links, first.figures.excluded], [[], 1, 1]);
  let streams = made.streams();
  for (const dryRun of [false, true]) {
    const before = hashedBytes();
    const again = await made.backup({ ...WANTED, dryRun });
    // What is read of the last snapshot, once; what is encoded anew would be hashed, too.
    assert.equal(hashedBytes() - before, metadataBytes(made));
    assert.deepEqual(found(again), found(first));
    assert.deepEqual([again.figures.unchangedFiles, again.figures.readBytes], [first.figures.files, 0]);
    assert.deepEqual(
      [again.snapshot?.entries, again.snapshot?.addedBytes],
      dryRun ? [undefined, undefined] : [first.snapshot?.entries, 0],
    );
    assert.deepEqual(made.streams(), streams);
  }
  // Other things are left out then.
  assert.equal((await made.backup()).figures.newFiles, 1);
  assert.equal((await made.backup(WANTED)).figures.excluded, 1);
  streams = made.streams();
  for (const [what, change] of Object.entries(CHANGES)) {
    change((name) => join(made.source, name));
    await made.backup(WANTED);
    const now = made.streams();
    assert.notDeepEqual(now, streams, what);
    streams = now;
  }
});

test('a source that is as it was is read where its chunks are gone', async (context) => {
  const made = await BackupCase.in(temporaryFolder(context));
  makeTree(made.source);
  await made.backup();
  const chunks = join(made.store, '.chunks');
  const files = readdirSync(chunks, { recursive: true, encoding: 'utf8' }).map((name) => join(chunks, name));
  const largest = files.sort((a, b) => statSync(a).size - statSync(b).size).at(-1) as string;
  rmSync(largest);
  const again = await made.backup();
  assert.ok(again.figures.readBytes > 0);
  assert.ok(statSync(largest).size > 0);
});

/** Lengths of the newest snapshot's metadata and attributes streams together. */
function metadataBytes(made: BackupCase): number {
  const [metadata, , attributes] = made.indexes();
  return metadata.contentLength + attributes.contentLength;
}

/** The figures that do not tell how they were found out. */
function found({ figures }: BackedUp): Partial<BackedUp['figures']> {
  const { files, folders, others, links, contentBytes, excluded } = figures;
  return { files, folders, others, links, contentBytes, excluded };
}
