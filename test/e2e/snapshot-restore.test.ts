import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setXattr, xattrNames } from '../../src/native/node-attributes.js';
import { outputOf } from '../support/commands.js';
import { assertSameTree, differences } from '../support/compare-trees.js';
import { makeOddTree } from '../support/make-odd-tree.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/x';
const LATEST = `${GROUP}/latest`;
const current = (store: TestStore): string => join(store.mountpoint, GROUP, 'current');
const withGroup = (body: (store: TestStore) => Promise<void> | void): Promise<void> =>
  withStore(body, { groups: [GROUP] });

interface Restored {
  readonly files: number;
  readonly unchanged: number;
  readonly kept: number;
  readonly links: number;
  readonly problems: readonly { path: string; message: string }[];
}

function restore(store: TestStore, ...args: string[]): Restored {
  return JSON.parse(store.cairn('snapshot', 'restore', '--json', ...args)) as Restored;
}

test('nothing is restored into the datastore by way of a symlink', async () => {
  await withGroup((store) => {
    writeFileSync(join(current(store), 'file'), 'kept');
    store.cairn('snapshot', 'create', GROUP);
    const link = join(store.folder, 'link');
    symlinkSync(store.store, link);
    const { status, stderr } = store.run(['snapshot', 'restore', LATEST, join(link, 'new')]);
    assert.notEqual(status, 0);
    assert.match(stderr, /is inside the datastore/);
    assert.ok(!existsSync(join(store.store, 'new')));
  });
});

test('a restored tree is the one that was kept, in all that rsync can tell', async () => {
  await withGroup(async (store) => {
    const [source, target] = [join(store.folder, 'source'), join(store.folder, 'target')];
    makeOddTree(source);
    outputOf('rsync', ['-aHAXS', '--modify-window=-1', `${source}/`, `${current(store)}/`]);
    store.cairn('snapshot', 'create', GROUP);
    const all = ['--devices', '--set-id', LATEST, target];
    assert.deepEqual(restore(store, ...all).problems, []);
    assertSameTree(source, target);
    for (const name of readdirSync(join(source, 'sparse'))) {
      const [a, b] = [lstatSync(join(source, 'sparse', name)), lstatSync(join(target, 'sparse', name))];
      assert.ok(b.blocks <= a.blocks + 16, `${name}: ${b.blocks} blocks for ${a.blocks}`);
    }
    // Once more: nothing is read or written anew, and links stay links.
    await store.umount();
    const again = restore(store, ...all);
    assert.deepEqual([again.files, again.links, again.problems], [0, 0, []]);
    assertSameTree(source, target);
    // What an interrupted restore left: a part is missing, a part half written.
    rmSync(join(target, 'names'), { recursive: true });
    rmSync(join(target, 'links/first'));
    writeFileSync(join(target, '.cairn-restore-18'), 'left over');
    truncateSync(join(target, 'contents/noise-16777216'), 0);
    rmSync(join(target, '.cairn-restore-18'));
    assert.deepEqual(restore(store, ...all).problems, []);
    assertSameTree(source, target);
    await store.mount();
  });
});

test('one path is restored: a folder as the target, a file into a folder or under another name', async () => {
  await withGroup((store) => {
    mkdirSync(join(current(store), 'etc/deep'), { recursive: true });
    writeFileSync(join(current(store), 'etc/hosts'), 'localhost');
    writeFileSync(join(current(store), 'etc/deep/large'), noise('large', 3_000_000));
    store.cairn('snapshot', 'create', GROUP);
    const at = (name: string): string => join(store.folder, name);
    restore(store, `${LATEST}:etc`, at('a'));
    assert.equal(differences(join(current(store), 'etc'), at('a')), '');
    restore(store, join(store.mountpoint, LATEST, 'etc/deep'), at('b/c'));
    assert.deepEqual(readdirSync(at('b/c')), ['large']);
    // What an earlier try left goes.
    const { ino } = statSync(join(store.mountpoint, LATEST, 'etc/hosts'), { bigint: true });
    writeFileSync(at(`a/deep/.cairn-restore-${(ino & 0xff_ffff_ffffn).toString(16)}`), 'left over');
    restore(store, `${LATEST}:/etc/hosts`, at('a/deep'));
    assert.deepEqual(readdirSync(at('a/deep')).sort(), ['hosts', 'large']);
    assert.equal(readFileSync(at('a/deep/hosts'), 'utf8'), 'localhost');
    restore(store, `${LATEST}:etc/hosts`, at('renamed'));
    assert.equal(readFileSync(at('renamed'), 'utf8'), 'localhost');
    assert.equal(store.run(['snapshot', 'restore', `${LATEST}:none`, at('x')]).status, 3);
    assert.equal(store.run(['snapshot', 'restore', `${LATEST}:../etc`, at('x')]).status, 2);
    assert.equal(store.run(['snapshot', 'restore', LATEST, join(store.store, 'inside')]).status, 2);
    assert.ok(!existsSync(at('x')) && !existsSync(join(store.store, 'inside')));
  });
});

test('what is in the target is overwritten only as asked', async () => {
  await withGroup((store) => {
    for (const name of ['differs', 'newer', 'missing', 'z'])
      writeFileSync(join(current(store), name), `of the snapshot`);
    store.cairn('snapshot', 'create', GROUP);
    const target = join(store.folder, 'target');
    const begin = (): void => {
      rmSync(target, { recursive: true, force: true });
      mkdirSync(target);
      writeFileSync(join(target, 'differs'), 'before');
      utimesSync(join(target, 'differs'), 1000, 1000);
      writeFileSync(join(target, 'newer'), 'before');
      utimesSync(join(target, 'newer'), 4e9, 4e9);
      writeFileSync(join(target, 'z'), '');
      writeFileSync(join(target, 'other'), 'other');
    };
    const texts = (): string[] =>
      ['differs', 'newer', 'missing', 'z', 'other'].map((name) =>
        existsSync(join(target, name)) ? readFileSync(join(target, name), 'utf8') : '-',
      );
    const [old, fresh] = ['before', 'of the snapshot'];
    begin();
    const refused = store.run(['snapshot', 'restore', LATEST, target]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^cairn: .*\/differs exists and differs: .*--overwrite.*\n$/);
    assert.deepEqual(texts(), [old, old, '-', '', 'other']);
    assert.equal(restore(store, '--overwrite', 'never', LATEST, target).kept, 3);
    assert.deepEqual(texts(), [old, old, fresh, '', 'other']);
    begin();
    assert.equal(restore(store, '--overwrite', 'older', LATEST, target).kept, 2);
    assert.deepEqual(texts(), [fresh, old, fresh, '', 'other']);
    restore(store, '--overwrite', 'always', LATEST, target);
    assert.deepEqual(texts(), [fresh, fresh, fresh, fresh, 'other']);
  });
});

const isRoot = process.getuid?.() === 0;
const CAPABILITIES = Buffer.from('security.capability');
/** cap_net_raw+ep, as struct vfs_cap_data has it. */
const NET_RAW = Buffer.from('0100000200200000000000000000000000000000', 'hex');

test('a dry run tells what the restore then does, and changes nothing', async () => {
  await withGroup((store) => {
    const [source, target] = [join(store.folder, 'source'), join(store.folder, 'target')];
    makeOddTree(source);
    outputOf('rsync', ['-aHAXS', '--modify-window=-1', `${source}/`, `${current(store)}/`]);
    store.cairn('snapshot', 'create', GROUP);
    const both = (...args: string[]): Restored & { changes: { path: string; change: string }[] } => {
      const before = outputOf('find', [store.folder, '-path', store.store, '-prune', '-o', '-printf', '%p %i %C@\n']);
      const dry = store.run(['restore', '--json', '--dry-run', ...args, LATEST, target]);
      const after = outputOf('find', [store.folder, '-path', store.store, '-prune', '-o', '-printf', '%p %i %C@\n']);
      assert.equal(after, before);
      const real = store.run(['restore', '--json', ...args, LATEST, target]);
      assert.equal(dry.status, real.status);
      if (real.stdout === '') {
        assert.deepEqual([dry.stdout, dry.stderr], ['', real.stderr]);
        return { files: 0, unchanged: 0, kept: 0, links: 0, problems: [], changes: [] };
      }
      const { changes, ...planned } = JSON.parse(dry.stdout);
      const { leftOut, ...restored } = JSON.parse(real.stdout);
      assert.deepEqual({ ...planned, leftOut: [] }, { ...restored, leftOut: [] });
      // Capabilities are told only when they are to be set.
      assert.ok(planned.leftOut.length <= leftOut.length);
      return { ...planned, changes };
    };
    const { changes } = both('--exclude', '/names', '--exclude', 'noise-*');
    assert.deepEqual(changes, [{ path: target, change: 'made' }]);
    assert.ok(!existsSync(join(target, 'names')) && !existsSync(join(target, 'contents/noise-1')));
    assert.equal(both('--devices').changes[0]?.change, 'made');
    assert.equal(both('--devices').files, 0);
    rmSync(join(target, 'links'), { recursive: true });
    writeFileSync(join(target, 'links'), 'in the way');
    const [file = ''] = readdirSync(join(target, 'contents'));
    rmSync(join(target, 'contents', file));
    mkdirSync(join(target, 'contents', file, 'full'), { recursive: true });
    both();
    const kept = both('--overwrite', 'never');
    assert.deepEqual([kept.kept, kept.changes.map(({ change }) => change)], [2, ['kept', 'kept']]);
    both('--overwrite', 'older');
    const replaced = both('--overwrite', 'always');
    assert.deepEqual(
      replaced.problems.map(({ path }) => path),
      [join(target, 'contents', file)],
    );
  });
});

test('with --checksum content counts where size and time are equal', async () => {
  await withGroup((store) => {
    const [large, target] = [noise('large', 3_000_000), join(store.folder, 'target')];
    writeFileSync(join(current(store), 'large'), large);
    writeFileSync(join(current(store), 'small'), 'small');
    linkSync(join(current(store), 'small'), join(current(store), 'small too'));
    writeFileSync(join(current(store), 'hole'), '');
    truncateSync(join(current(store), 'hole'), 5_000_000);
    store.cairn('snapshot', 'create', GROUP);
    restore(store, LATEST, target);
    const rot = (name: string, at: number): void => {
      const { atime, mtime } = statSync(join(target, name));
      const file = openSync(join(target, name), 'r+');
      writeSync(file, Buffer.from([0x7f]), 0, 1, at);
      closeSync(file);
      utimesSync(join(target, name), atime, mtime);
      // Of nanoseconds utimes knows only some: the snapshot has what is there now.
      outputOf('touch', ['-d', '@1000', join(target, name), join(current(store), name)]);
    };
    rot('large', 2_500_000);
    rot('small too', 1);
    rot('hole', 4_999_999);
    store.cairn('snapshot', 'create', GROUP);
    assert.deepEqual(restore(store, '--overwrite', 'always', LATEST, target).files, 0);
    const refused = store.run(['restore', '--checksum', LATEST, target]);
    assert.match(refused.stderr, /hole exists and differs/);
    assert.equal(restore(store, '--checksum', '--overwrite', 'never', LATEST, target).kept, 4);
    assert.equal(restore(store, '--checksum', '--overwrite', 'always', LATEST, target).files, 3);
    assert.equal(differences(current(store), target), '');
    assert.ok(readFileSync(join(target, 'large')).equals(large));
    assert.equal(restore(store, '--checksum', LATEST, target).unchanged, 4);
  });
});

test('what is in the way and cannot be replaced is a problem of its path alone', async () => {
  await withGroup((store) => {
    for (const name of ['file', 'linked', 'z']) writeFileSync(join(current(store), name), name);
    linkSync(join(current(store), 'file'), join(current(store), 'also'));
    linkSync(join(current(store), 'linked'), join(current(store), 'linked again'));
    symlinkSync('z', join(current(store), 'symlink'));
    mkdirSync(join(current(store), 'folder'));
    store.cairn('snapshot', 'create', GROUP);
    const target = join(store.folder, 'target');
    const full = ['file', 'linked again', 'symlink'];
    for (const name of full) mkdirSync(join(target, name, 'not empty'), { recursive: true });
    mkdirSync(join(target, 'linked'));
    writeFileSync(join(target, 'folder'), 'in the way');
    const { status, stdout } = store.run(['restore', '--json', '--overwrite', 'always', LATEST, target]);
    const { problems } = JSON.parse(stdout) as Restored;
    assert.equal(status, 1);
    assert.deepEqual(
      problems.map(({ path }) => path),
      full.map((name) => join(target, name)),
    );
    for (const name of full) assert.deepEqual(readdirSync(join(target, name)), ['not empty']);
    for (const name of ['also', 'linked', 'z']) assert.ok(lstatSync(join(target, name)).isFile(), name);
    assert.ok(lstatSync(join(target, 'folder')).isDirectory());
    // The temporary names, too, are gone.
    assert.deepEqual(readdirSync(target).length, 7);
  });
});

test('what gives rights is restored only as asked, and named where it is left out', {
  skip: isRoot ? false : 'needs root',
}, async () => {
  const makeSource = (source: string): void => {
    mkdirSync(join(source, 'shared'), { recursive: true });
    for (const name of ['plain', 'set-uid', 'set-gid', 'capable']) writeFileSync(join(source, name), name);
    chownSync(join(source, 'set-uid'), 1234, 1234);
    setXattr(join(source, 'capable'), CAPABILITIES, NET_RAW);
    outputOf('mknod', [join(source, 'null'), 'c', '1', '3']);
    outputOf('mkfifo', [join(source, 'pipe')]);
    for (const [name, mode] of Object.entries({ 'set-uid': 0o4755, 'set-gid': 0o2755, shared: 0o2775 }))
      chmodSync(join(source, name), mode);
  };
  const body = (store: TestStore): void => {
    const [source, target] = [join(store.folder, 'source'), join(store.folder, 'target')];
    makeSource(source);
    store.cairn('backup', source, GROUP);
    const modeOf = (name: string): number => statSync(join(target, name)).mode & 0o7777;
    const modes = (): number[] => ['set-uid', 'set-gid', 'shared'].map(modeOf);
    const isCapable = (): boolean => xattrNames(join(target, 'capable')).some((name) => name.equals(CAPABILITIES));
    const { stdout, stderr } = store.run(['restore', LATEST, target]);
    assert.match(stdout, /^4 left out: see --devices and --set-id$/m);
    assert.match(stderr, /\/null: left out a device node \(--devices\)$/m);
    assert.equal(stderr.match(/left out set-uid or set-gid bits, or capabilities \(--set-id\)$/gm)?.length, 3);
    assert.deepEqual([existsSync(join(target, 'null')), modes(), isCapable()], [false, [0o755, 0o755, 0o2775], false]);
    const full = store.run(['restore', '--json', '--devices', '--set-id', LATEST, target]);
    assert.deepEqual([full.status, JSON.parse(full.stdout).leftOut], [0, []]);
    assert.equal(differences(source, target), '');
    assert.ok(isCapable());
    // Nobody asked for them, nor to take them away.
    const again = JSON.parse(store.cairn('restore', '--json', LATEST, target));
    assert.deepEqual([again.leftOut, modes()], [[], [0o4755, 0o2755, 0o2775]]);
    assert.ok(isCapable());
    // Somebody else's file of the same size and time does not become root's with the bit it has.
    chownSync(join(target, 'set-gid'), 1234, 1234);
    chmodSync(join(target, 'set-gid'), 0o6755);
    const changed = JSON.parse(store.cairn('restore', '--json', LATEST, target));
    assert.deepEqual([changed.leftOut.length, modeOf('set-gid'), statSync(join(target, 'set-gid')).uid], [1, 0o755, 0]);
  };
  await withStore(body, { mount: false });
});

test('no link in the target leads a restore out of it', async () => {
  await withGroup((store) => {
    mkdirSync(join(current(store), 'sub/inner'), { recursive: true });
    writeFileSync(join(current(store), 'sub/inner/file'), 'restored');
    writeFileSync(join(current(store), 'file'), 'restored');
    chmodSync(join(current(store), 'sub/inner'), 0o750);
    store.cairn('snapshot', 'create', GROUP);
    const [target, outside] = [join(store.folder, 'target'), join(store.folder, 'outside')];
    const begin = (): void => {
      for (const path of [target, outside]) rmSync(path, { recursive: true, force: true });
      mkdirSync(join(outside, 'inner'), { recursive: true });
      chmodSync(join(outside, 'inner'), 0o711);
      writeFileSync(join(outside, 'victim'), 'precious');
      mkdirSync(target);
      symlinkSync(outside, join(target, 'sub'));
      symlinkSync(join(outside, 'victim'), join(target, 'file'));
    };
    const untouched = (): void => {
      assert.deepEqual(readdirSync(outside, { recursive: true }).sort(), ['inner', 'victim']);
      assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'precious');
      assert.equal(statSync(join(outside, 'inner')).mode & 0o777, 0o711);
    };
    for (const rule of ['refuse', 'never', 'older', 'always']) {
      begin();
      store.run(['snapshot', 'restore', '--overwrite', rule, LATEST, target]);
      untouched();
      const replaced = rule === 'always';
      assert.equal(lstatSync(join(target, 'sub')).isSymbolicLink(), !replaced, rule);
      if (replaced) assert.equal(readFileSync(join(target, 'sub/inner/file'), 'utf8'), 'restored');
    }
  });
});

test('a file whose chunk is gone is named, and the others are restored', async () => {
  await withGroup(async (store) => {
    writeFileSync(join(current(store), 'bad'), noise('bad', 2_000_000));
    writeFileSync(join(current(store), 'good'), noise('good', 2_000_000));
    store.cairn('snapshot', 'create', GROUP);
    await store.umount();
    const chunks = outputOf('find', [join(store.store, '.chunks'), '-type', 'f', '-size', '+150k'])
      .trim()
      .split('\n');
    rmSync(chunks[0] ?? '');
    const target = join(store.folder, 'target');
    const { status, stdout } = store.run(['snapshot', 'restore', '--json', LATEST, target]);
    assert.equal(status, 1);
    const { files, problems } = JSON.parse(stdout) as Restored;
    assert.deepEqual([files, problems.length], [1, 1]);
    assert.match(problems[0]?.message ?? '', /^Chunk [0-9a-f]{64} is absent/);
    assert.equal(readdirSync(target).length, 1);
    store.log.expect(/Chunk [0-9a-f]{16}… is missing; damaged by that/);
    await store.mount();
  });
});
