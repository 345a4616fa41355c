import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import type { BackedUp } from '../../src/control/backup-commands.js';
import { type CommandResult, mountedOn, outputOf, runCommand } from '../support/commands.js';
import { TestStore, type User } from '../support/mounted-store.js';

const FUSE_DEVICE = '/dev/fuse';
const NOBODY: User = { uid: 65534, gid: 65534 };

/**
 * Calls `body` with an ordinary user's store. Root gives the checkout a path that user may read, and the device
 * the mode it has where udev is at work (0666).
 */
async function asOrdinaryUser(body: (store: TestStore, user: User) => Promise<void>): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  const folder = mkdtempSync(join(tmpdir(), 'cairn-user-'));
  const [checkout, own] = [join(folder, 'checkout'), join(folder, 'own')];
  const deviceMode = statSync(FUSE_DEVICE).mode;
  chmodSync(folder, 0o755);
  for (const path of [checkout, own]) mkdirSync(path);
  if (isRoot) {
    outputOf('mount', ['--bind', resolve('.'), checkout]);
    chownSync(own, 65534, 65534);
    chmodSync(FUSE_DEVICE, 0o666);
  }
  const program = isRoot ? join(checkout, 'dist/program/main.js') : undefined;
  const user = isRoot ? NOBODY : {};
  const store = new TestStore(own, user, program);
  if (isRoot) chownSync(store.mountpoint, 65534, 65534);
  try {
    await body(store, user);
  } finally {
    await store.abandon();
    if (isRoot) {
      chmodSync(FUSE_DEVICE, deviceMode);
      outputOf('umount', [checkout]);
      // The user's folder for control sockets, which every daemon of his uses.
      rmSync(join(tmpdir(), 'cairn-65534'), { recursive: true, force: true });
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

test('an ordinary user can create, mount, fill and snapshot a datastore of his own', async () => {
  await asOrdinaryUser(async (store, user) => {
    store.cairn('init', store.store);
    await store.mount();
    const sh = (script: string): string => outputOf('sh', ['-c', script, store.mountpoint], { ...user, cwd: '/' });
    sh('mkdir -p "$0/host/x" && echo mine >"$0/host/x/current/file"');
    sh('rsync -a /usr/include/linux/ "$0/host/x/current/"');
    assert.match(store.cairn('snapshot', 'create', 'host/x'), /host\/x/);
    await store.remount();
    assert.equal(sh('cat "$0/host/x/latest/file"'), 'mine\n');
    assert.equal(sh('rsync -anic /usr/include/linux/ "$0/host/x/latest/"'), '');
    await store.umount();
    assert.deepEqual(mountedOn(store.mountpoint), []);
  });
});

test('what a backup cannot read is named and left out; the rest is in the snapshot', async () => {
  await asOrdinaryUser(async (store, user) => {
    store.cairn('init', store.store);
    const source = join(store.folder, 'source');
    const sh = (script: string): string => outputOf('sh', ['-c', script, source], { ...user, cwd: '/' });
    sh('mkdir -p "$0/closed/sub" "$0/open" && echo mine >"$0/open/file" && cp "$0/open/file" "$0/secret"');
    sh('head -c 300000 /dev/urandom >"$0/open/large" && cp "$0/open/large" "$0/hidden"');
    sh('chmod 0 "$0/closed" "$0/secret" "$0/hidden"');
    const planned = store.run(['backup', '--dry-run', '--json', source, 'host/x']);
    const { status, stdout, stderr } = store.run(['backup', source, 'host/x']);
    assert.deepEqual([planned.status, status], [6, 6], stderr);
    for (const name of ['secret', 'hidden'])
      assert.match(stderr, new RegExp(`^cairn: ${name}: permission denied$`, 'm'));
    assert.match(stderr, /^cairn: closed: permission denied: the snapshot has nothing of what is in it$/m);
    assert.match(stdout, /3 could not be read/);
    const { figures, problems } = JSON.parse(planned.stdout) as BackedUp;
    assert.deepEqual(problems.map(({ path }) => path).sort(), ['closed', 'hidden', 'secret']);
    assert.equal(figures.readBytes, 300_000 + 5);
    assert.match(store.cairn('snapshot', 'show', 'host/x/latest'), /incomplete +3 paths of its source/);
    store.cairn('restore', 'host/x/latest', join(store.folder, 'target'));
    assert.equal(
      sh('cd "$0/../target" && find . -type f | sort && ls -d closed'),
      './open/file\n./open/large\nclosed\n',
    );
  });
});

test('what its owner may not write to is restored with its attributes', async () => {
  await asOrdinaryUser(async (store, user) => {
    store.cairn('init', store.store);
    const [source, target] = [join(store.folder, 'source'), join(store.folder, 'target')];
    const sh = (script: string, path: string): string => outputOf('sh', ['-c', script, path], { ...user, cwd: '/' });
    sh('mkdir -p "$0/folder" && echo content >"$0/file"', source);
    const set = 'import os, sys; [os.setxattr(f"{sys.argv[1]}/{name}", "user.a", b"1") for name in ("file", "folder")]';
    outputOf('python3', ['-c', set, source], user);
    sh('chmod 444 "$0/file" && chmod 555 "$0/folder"', source);
    store.cairn('backup', source, 'host/x');
    store.cairn('restore', 'host/x/latest', target);
    const read = `import os, sys
for name in ('file', 'folder'):
  path = f'{sys.argv[1]}/{name}'
  print(name, oct(os.stat(path).st_mode & 0o7777), os.getxattr(path, 'user.a'))`;
    assert.equal(outputOf('python3', ['-c', read, target], user), "file 0o444 b'1'\nfolder 0o555 b'1'\n");
    sh('chmod 755 "$0/folder"', source);
    sh('chmod 755 "$0/folder"', target);
  });
});

test('folders of the store that its user may not write to any more are told, and are no loss', async () => {
  await asOrdinaryUser(async (store, user) => {
    store.cairn('init', store.store);
    await store.mount();
    store.log.expect(/EACCES|permission denied|no more changes|journal cannot be written|readonly database/i);
    const sh = (script: string): CommandResult =>
      runCommand('sh', ['-c', script, store.mountpoint], { ...user, cwd: '/' });
    const random = 'head -c 3000000 /dev/urandom';
    assert.equal(
      sh(`mkdir -p "$0/host/x" && ${random} >"$0/host/x/current/kept" && sync "$0/host/x/current/kept"`).status,
      0,
    );
    const sum = sh('sha256sum <"$0/host/x/current/kept"').stdout;
    const chunks = join(store.store, '.chunks');
    const lock = (...args: string[]): string => outputOf('chmod', args, user);
    // Nothing can be stored: the writer hears of it, and all else goes on.
    lock('-R', 'a-w', chunks);
    const refused = sh(`${random} >"$0/host/x/current/new" && sync "$0/host/x/current/new"`);
    assert.match(`${refused.status} ${refused.stderr}`, /^[1-9].*permission denied/is);
    assert.equal(sh('sha256sum <"$0/host/x/current/kept"').stdout, sum);
    lock('-R', 'u+w', chunks);
    // Nothing can be read either: an I/O error or a refusal, and no file that is gone.
    await store.remount();
    lock('a-rwx', chunks);
    const unread = sh('cat "$0/host/x/current/kept" >/dev/null');
    assert.match(`${unread.status} ${unread.stderr}`, /^[1-9].*(permission denied|input\/output error)/is);
    lock('u+rwx', chunks);
    assert.equal(sh('sha256sum <"$0/host/x/current/kept"').stdout, sum);
    // The journal cannot go on in a new segment, nor is a copy of the catalog made: told where it matters, at the latest by status.
    lock('-R', 'a-w', join(store.store, '.cairn'));
    sh(`echo more >"$0/host/x/current/more"; sync "$0/host/x/current/more"`);
    assert.equal(sh('sha256sum <"$0/host/x/current/kept"').stdout, sum);
    lock('-R', 'u+w', join(store.store, '.cairn'));
    await store.remount();
    assert.equal(sh('sha256sum <"$0/host/x/current/kept" && echo later >"$0/host/x/current/later"').stdout, sum);
    store.cairn('check', '--deep');
  });
});

test('others do not see an ordinary user’s mount', {
  skip: process.getuid?.() === 0 ? false : 'needs root',
}, async () => {
  await asOrdinaryUser(async (store) => {
    store.cairn('init', store.store);
    await store.mount();
    const other = runCommand('ls', [store.mountpoint], { uid: 1001, gid: 1001 });
    assert.notEqual(other.status, 0);
    // Root may ask any daemon; others find only those of their own.
    const status = outputOf(process.execPath, [
      resolve('dist/program/main.js'),
      'status',
      '--json',
      '--store',
      store.store,
    ]);
    assert.equal(JSON.parse(status).pid, store.pid);
    await store.umount();
    assert.ok(statSync(store.mountpoint).isDirectory());
    assert.match(readFileSync(join(store.store, '.cairn/config.json'), 'utf8'), /format/);
  });
});
