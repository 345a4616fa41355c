import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  opendirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf, until } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import { hasErrno } from '../support/errno.js';
import { makeOddTree } from '../support/make-odd-tree.js';
import { type MemoryMount, skipMounts, withMemoryMount } from '../support/memory-mount.js';

// The native transport between the real kernel and a file system in memory.

const MIB = 1 << 20;
const skip = skipMounts;

/** Waits until the kernel has given back all references and handles, asking the worker. */
async function assertAllGivenBack(mount: MemoryMount): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const state = await mount.state();
    if (state.references === 0 && state.handles === 0) return;
    assert.ok(performance.now() < deadline, `still held: ${JSON.stringify(state)}`);
  }
}

/** Unmounts and checks the books. */
async function assertCleanEnd(mount: MemoryMount): Promise<void> {
  const { end, state } = await mount.unmount();
  assert.equal(end.reason, 'unmounted');
  assert.equal(end.counters.unanswered, 0);
  assert.equal(end.counters.requests, end.counters.replies, 'each request is answered once');
  assert.deepEqual(state.errors, []);
  assert.equal(await mount.exited, 0);
}

for (const delayed of [false, true]) {
  const how = delayed ? 'answered later' : 'answered at once';

  test(`a tree with every type of file comes back the same, ${how}`, { skip }, async () => {
    const source = mkdtempSync(join(tmpdir(), 'cairn-odd-'));
    try {
      makeOddTree(join(source, 'tree'));
      // What these need is the vfs's to do: the mode that follows the ACL, the ACL that is inherited.
      for (const name of ['acl', 'inherits']) {
        rmSync(join(source, 'tree/attributes', name), { recursive: true, force: true });
      }
      // rsync leaves times alone that differ by less than a second.
      utimesSync(join(source, 'tree/attributes'), 1e9, 1e9);
      await withMemoryMount(
        async (mount) => {
          const copy = join(mount.mountpoint, 'copy');
          outputOf('rsync', ['-aHAX', '--modify-window=-1', '--numeric-ids', `${source}/tree/`, `${copy}/`]);
          assertSameTree(join(source, 'tree'), copy);
          const { nodes } = await mount.state();
          assert.ok(nodes > 500);
          outputOf('rm', ['-rf', copy]);
          await assertAllGivenBack(mount);
          await assertCleanEnd(mount);
        },
        { delayed },
      );
    } finally {
      outputOf('rm', ['-rf', source]);
    }
  });

  test(`a megabyte is one WRITE, ${how}`, { skip }, async () => {
    await withMemoryMount(
      async (mount) => {
        const bytes = randomBytes(32 * MIB);
        const [from, to] = [join(mount.mountpoint, '..', 'source'), join(mount.mountpoint, 'file')];
        writeFileSync(from, bytes);
        const before = await mount.state();
        outputOf('dd', [`if=${from}`, `of=${to}`, 'bs=1M']);
        const after = await mount.state();
        assert.ok(after.counters.requests - before.counters.requests <= 32 + 10);
        const digest = createHash('sha256').update(bytes).digest('hex');
        assert.equal(createHash('sha256').update(readFileSync(to)).digest('hex'), digest);
        await assertCleanEnd(mount);
      },
      { delayed },
    );
  });

  test(`a READ takes its bytes from wherever they are, ${how}`, { skip }, async () => {
    await withMemoryMount(
      async (mount) => {
        const piece = Buffer.from('0123456789abcdef'.repeat(4096));
        const whole = Buffer.concat([piece, piece, Buffer.alloc(piece.length), piece]);
        const path = join(mount.mountpoint, 'pieces');
        assert.ok(readFileSync(path).equals(whole));
        const file = openSync(path, 'r');
        for (const [offset, length] of [
          [65_530, 20],
          [131_000, 200],
          [196_600, 30_000],
          [262_140, 100],
        ] as const) {
          const bytes = Buffer.alloc(length);
          const got = readSync(file, bytes, 0, length, offset);
          assert.ok(bytes.subarray(0, got).equals(whole.subarray(offset, offset + length)), `at ${offset}`);
        }
        closeSync(file);
        assert.ok(readFileSync(join(mount.mountpoint, 'fleeting')).equals(whole.subarray(0, 32_768)));
        await assertCleanEnd(mount);
      },
      { delayed },
    );
  });
}

test('a folder of 100,000 names is listed whole, each name once', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    const folder = join(mount.mountpoint, 'large');
    mkdirSync(folder);
    for (let index = 0; index < 100_000; index++) closeSync(openSync(join(folder, `name-${index}`), 'w'));
    const names = readdirSync(folder);
    assert.equal(names.length, 100_000);
    assert.equal(new Set(names).size, 100_000);
    assert.equal(outputOf('find', [folder, '-type', 'f', '-links', '1', '-printf', 'x']).length, 100_000);
    outputOf('rm', ['-rf', folder]);
    await assertAllGivenBack(mount);
    await assertCleanEnd(mount);
  });
});

test('a second look at a tree asks for next to nothing', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    for (let index = 0; index < 300; index++) writeFileSync(join(mount.mountpoint, `name-${index}`), 'content');
    const list = () => outputOf('ls', ['-l', '--color=never', mount.mountpoint]);
    list();
    const before = await mount.state();
    const listed = list();
    const after = await mount.state();
    assert.equal(listed.split('\n').filter((line) => line.includes('name-')).length, 300);
    const asked = after.counters.requests - before.counters.requests;
    assert.ok(asked < 20, `${asked} requests: neither names nor files should be asked for again`);
    await assertCleanEnd(mount);
  });
});

test('a folder shows what came and went since it was listed', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    const at = (name: string) => join(mount.mountpoint, name);
    mkdirSync(at('folder'));
    const names = () => readdirSync(at('folder')).sort();
    for (const name of ['a', 'b']) writeFileSync(at(`folder/${name}`), '');
    assert.deepEqual(names(), ['a', 'b']);
    assert.deepEqual(names(), ['a', 'b']);
    writeFileSync(at('folder/c'), '');
    assert.deepEqual(names(), ['a', 'b', 'c']);
    rmSync(at('folder/a'));
    assert.deepEqual(names(), ['b', 'c']);
    outputOf('mv', [at('folder/c'), at('c')]);
    assert.deepEqual(names(), ['b']);
    await assertCleanEnd(mount);
  });
});

test('a listing goes on when the kernel drops what it kept of it', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    const folder = join(mount.mountpoint, 'folder');
    mkdirSync(folder);
    for (let index = 0; index < 5000; index++) writeFileSync(join(folder, `name-${index}`), '');
    assert.equal(readdirSync(folder).length, 5000);
    const listing = opendirSync(folder, { bufferSize: 1 });
    const names = [listing.readSync()?.name];
    // The rest comes from the vfs, through a handle that never listed the beginning.
    await mount.ask('refresh', 'folder');
    for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) names.push(entry.name);
    listing.closeSync();
    assert.equal(new Set(names).size, 5000);
    await assertCleanEnd(mount);
  });
});

test('what the daemon changes by itself is seen once the kernel is told', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    const at = (name: string) => join(mount.mountpoint, name);
    writeFileSync(at('old'), 'aaaa');
    assert.equal(existsSync(at('new')), false, 'the kernel now remembers that there is none');
    assert.ok(readdirSync(mount.mountpoint).includes('old'));
    await mount.ask('rename', 'old', 'new');
    await until('the new name', () => existsSync(at('new')));
    await until('the old name gone', () => !existsSync(at('old')));
    await until('the new listing', () => {
      const names = readdirSync(mount.mountpoint);
      return names.includes('new') && !names.includes('old');
    });
    assert.equal(readFileSync(at('new'), 'utf8'), 'aaaa');
    const before = statSync(at('new')).mtimeMs;
    await mount.ask('overwrite', 'new', 'b');
    await until('the new bytes', () => readFileSync(at('new'), 'utf8') === 'bbbb');
    await until('the new time', () => statSync(at('new')).mtimeMs > before);
    await mount.ask('unknown', 'nobody-knows');
    // A name nobody ever looked up appears in a folder whose listing the kernel keeps.
    assert.equal(readdirSync(mount.mountpoint).length, 5);
    await mount.ask('rename', 'new', 'never-seen');
    await until('the unseen name listed', () => readdirSync(mount.mountpoint).includes('never-seen'));
    await assertCleanEnd(mount);
  });
});

test('a read that fails is EIO, once, and the mount goes on', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    hasErrno('EIO', () => readFileSync(join(mount.mountpoint, 'failing')));
    hasErrno('EIO', () => readFileSync(join(mount.mountpoint, 'truncated')));
    writeFileSync(join(mount.mountpoint, 'fine'), 'fine');
    assert.equal(readFileSync(join(mount.mountpoint, 'fine'), 'utf8'), 'fine');
    const { errors } = await mount.state();
    assert.ok(errors.some((line) => line.includes('this is a defect')));
    assert.ok(errors.some((line) => line.includes('ends too early')));
    assert.equal((await mount.unmount()).end.counters.unanswered, 0);
  });
});

test('a file that is unlinked while open lives until it is closed', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    const path = join(mount.mountpoint, 'orphan');
    const file = openSync(path, 'w+');
    rmSync(path);
    writeSync(file, 'still here', 0);
    const bytes = Buffer.alloc(20);
    assert.equal(readSync(file, bytes, 0, 20, 0), 10);
    assert.equal(fstatSync(file).nlink, 0);
    closeSync(file);
    await assertAllGivenBack(mount);
    await assertCleanEnd(mount);
  });
});

test('who waits for an answer can be interrupted', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    const mkdir = spawn('mkdir', [join(mount.mountpoint, 'endless')], { stdio: 'ignore' });
    while ((await mount.state()).counters.unanswered === 0);
    mkdir.kill('SIGINT');
    assert.deepEqual(await once(mkdir, 'exit'), [null, 'SIGINT']);
    assert.equal(existsSync(join(mount.mountpoint, 'endless')), false);
    await assertCleanEnd(mount);
  });
});
