import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const FOLDERS = 4;
const FILES_PER_FOLDER = 50;
const FILES = FOLDERS * FILES_PER_FOLDER;
/** Requests for the folders and the program's start, beside those for each file. */
const SLACK = 60;

type Counts = Readonly<Record<string, number>>;

const countsOf = (store: TestStore): Counts => store.status().requests as Counts;

/** What the kernel asked for while `work` ran, without what has no answer. */
function requestsDuring(store: TestStore, work: () => void): Counts & { readonly total: number } {
  const before = countsOf(store);
  work();
  const spent: Record<string, number> = {};
  for (const [name, count] of Object.entries(countsOf(store))) {
    const more = count - (before[name] ?? 0);
    if (more > 0 && !/FORGET|INTERRUPT/.test(name)) spent[name] = more;
  }
  return { ...spent, total: Object.values(spent).reduce((sum, count) => sum + count, 0) };
}

function assertAtMost(what: string, counts: Counts & { readonly total: number }, perFile: number): void {
  assert.ok(counts.total <= perFile * FILES + SLACK, `${what}: ${JSON.stringify(counts)} for ${FILES} files`);
  assert.ok(counts.total >= FILES, `${what} asked for nothing: ${JSON.stringify(counts)}`);
}

test('what small files cost in requests does not grow', async () => {
  const source = mkdtempSync(join(tmpdir(), 'cairn-counted-'));
  try {
    for (let folder = 0; folder < FOLDERS; folder++) {
      mkdirSync(join(source, `d${folder}`));
      for (let file = 0; file < FILES_PER_FOLDER; file++) {
        const name = `d${folder}/f${file}`;
        writeFileSync(join(source, name), noise(name, 3000));
      }
    }
    await withStore(
      async (store) => {
        const current = join(store.mountpoint, 'host/x/current');
        const copy = (...options: string[]) =>
          requestsDuring(store, () => outputOf('rsync', ['-a', ...options, `${source}/`, `${current}/`]));
        // LOOKUP 3, GETATTR 3, SETATTR 3, CREATE, WRITE, FLUSH, OPEN, RENAME, RELEASE 2: each follows from what rsync
        // does; the kernel answers none of them by itself, whatever we let it keep.
        assertAtMost('rsync of new files', copy(), 16);
        assertAtMost('rsync in place', copy('--inplace', '--ignore-times'), 10);
        store.cairn('snapshot', 'create', 'host/x');
        await store.remount();
        assertAtMost('rsync of unchanged files, cold', copy(), 1);
        assert.ok(copy().total <= SLACK, 'unchanged files, warm: the kernel knows them all');
        const list = () =>
          requestsDuring(store, () => outputOf('ls', ['-lR', join(store.mountpoint, 'host/x/latest/')]));
        // The kernel asks for each file's ACL once, and for `latest`, which may change, every 10 ms.
        const first = list();
        assert.ok((first.GETXATTR ?? 0) <= FILES + SLACK && (first.LOOKUP ?? 0) < FILES, JSON.stringify(first));
        const listed = list();
        assert.ok((listed.GETXATTR ?? 0) <= SLACK && (listed.LOOKUP ?? 0) < FILES, JSON.stringify(listed));
        const read = () =>
          requestsDuring(store, () => outputOf('tar', ['-C', store.latest('host/x'), '-cf', '-', '.']));
        // OPEN, READ, RELEASE; GETATTR, as reading may change atime.
        assertAtMost('reading a snapshot, cold', read(), 4);
        const again = read();
        assertAtMost('reading it again', again, 2);
        assert.ok((again.READ ?? 0) <= SLACK, 'content that does not change stays in the kernel');
      },
      { groups: ['host/x'] },
    );
  } finally {
    rmSync(source, { recursive: true });
  }
});
