import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readlinkSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { outputLater, until } from '../support/commands.js';
import { LiveMount } from '../support/live-mount.js';
import { skipMounts } from '../support/memory-mount.js';

// What the kernel was given it gives back, and only then an inode without a name ends: a live tree on a real mount.

const DROP_CACHES = '/proc/sys/vm/drop_caches';
const skip = skipMounts || (statSync(DROP_CACHES, { throwIfNoEntry: false }) ? false : `needs ${DROP_CACHES}`);

/** Lets the kernel forget what it does not use, until the tree says what is wanted. */
async function untilForgotten(what: string, isSo: () => boolean): Promise<void> {
  for (let round = 0; round < 40 && !isSo(); round++) {
    writeFileSync(DROP_CACHES, '2');
    await until(what, isSo, 500).catch(() => undefined);
  }
  assert.ok(isSo(), what);
}

function orphans(mount: LiveMount): number[] {
  return mount.tree.store.datastore.catalog.orphans.list(0, 100);
}

/** A bit of everything that gives the kernel references, or takes names away. */
const PROGRAM = `
import os
root = os.open('/', os.O_RDONLY)
def make(path):
    with open(path, 'w') as f: f.write(path)
for d in range(20):
    os.mkdir(f'd{d}')
    for i in range(20): make(f'd{d}/{i}')
    os.symlink('nowhere', f'd{d}/link'); os.mkfifo(f'd{d}/pipe')
os.mkdir('long')
for i in range(60): make('long/' + str(i).rjust(255, 'x'))
for _ in range(2):
    for d in ['long'] + [f'd{d}' for d in range(20)]:
        for entry in os.scandir(d): entry.stat(follow_symlinks=False)
for d in range(0, 20, 2):
    os.link(f'd{d}/0', f'd{d}/second'); os.rename(f'd{d}/1', f'd{d}/2'); os.rename(f'd{d}/3', f'd{d+1}/3')
    held = [open(f'd{d}/{i}') for i in (4, 5)]
    for i in (4, 5, 6): os.unlink(f'd{d}/{i}')
    assert [f.read() for f in held] == [f'd{d}/4', f'd{d}/5']
    for f in held: f.close()
    for name in range(3):
        fd = os.open(f'd{d}', os.O_TMPFILE | os.O_RDWR); os.write(fd, b'x')
        if name == 0: os.link(f'/proc/self/fd/{fd}', f'd{d}/named', src_dir_fd=root)
        os.close(fd)
    os.mkdir(f'd{d}/gone'); os.rmdir(f'd{d}/gone'); os.rename(f'd{d}/7', f'd{d}/link')
for d in range(10, 20):
    for name in os.listdir(f'd{d}'): os.unlink(f'd{d}/{name}')
    os.rmdir(f'd{d}')
`;

test('the kernel gives back every reference it got', { skip }, async (t) => {
  const mount = await LiveMount.make(t);
  const { references } = mount.tree;
  const all = () => references.figures();
  await mount.output('python3', '-c', PROGRAM);
  assert.ok(all().nodes > 200, JSON.stringify(all()));
  assert.ok(all().references >= all().nodes);
  await untilForgotten('nothing is known any more', () => all().references === 0);
  assert.deepEqual(all(), { nodes: 0, references: 0 });
  assert.deepEqual(orphans(mount), []);
  const { byOperation } = mount.counters();
  for (const name of ['READDIRPLUS', 'TMPFILE', 'LINK']) assert.ok((byOperation[name] ?? 0) > 0, name);
  assert.ok((byOperation.FORGET ?? 0) + (byOperation.BATCH_FORGET ?? 0) > 0);
  // All is still there, under the same numbers.
  assert.equal((await mount.sh('ls d0 | wc -l; cat d1/3; rm -r d? long; ls')).trim(), '18\nd0/3');
  await untilForgotten('all is given back', () => all().references === 0);
  assert.deepEqual(orphans(mount), []);
  await mount.end();
});

test('a folder without a name is there for whoever is in it, and goes with him', { skip }, async (t) => {
  const mount = await LiveMount.make(t);
  await mount.sh('mkdir inside');
  const inside = mount.spawn('cat', [], mount.path('inside'));
  await until('somebody is inside', () => readlinkSync(`/proc/${inside.pid}/cwd`).endsWith('/inside'));
  await mount.sh('rmdir inside; mkdir inside; touch inside/other');
  const look = () => outputLater('stat', ['-L', '-c', '%h %F', `/proc/${inside.pid}/cwd`]);
  for (let round = 0; round < 3; round++) {
    writeFileSync(DROP_CACHES, '2');
    assert.equal((await look()).trim(), '0 directory');
  }
  assert.equal(orphans(mount).length, 1);
  inside.stdin?.end();
  await once(inside, 'exit');
  await untilForgotten('the folder has ended', () => orphans(mount).length === 0);
  assert.equal((await mount.sh('ls inside')).trim(), 'other');
  await mount.end();
});
