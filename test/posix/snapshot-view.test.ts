import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { withStore } from '../support/mounted-store.js';
import { python } from '../support/python.js';
import { asUser, NOBODY } from './family.js';

const isRoot = process.getuid?.() === 0;

/** Makes what the test looks at. */
function fill(current: string): void {
  chmodSync(current, 0o755);
  mkdirSync(join(current, 'sub'));
  mkdirSync(join(current, 'empty'));
  writeFileSync(join(current, 'file'), 'content', { mode: 0o644 });
  linkSync(join(current, 'file'), join(current, 'sub/second'));
  symlinkSync('file', join(current, 'link'));
  writeFileSync(join(current, 'secret'), 'secret', { mode: 0o600 });
  writeFileSync(join(current, 'shared'), 'shared', { mode: 0o600 });
  outputOf('setfacl', ['-m', 'u:1005:r', join(current, 'shared')]);
  python("os.setxattr(args[0], 'user.mark', b'kept')", join(current, 'file'));
  // More than ext4 keeps, as much as Linux allows.
  python("os.setxattr(args[0], 'user.large', b'x' * 65536)", join(current, 'sub'));
  hasErrno('E2BIG', () => python("os.setxattr(args[0], 'user.larger', b'x' * 65537)", join(current, 'sub')));
  python(
    'f = open(args[0], "wb"); f.truncate(9 << 20); f.seek(4 << 20); f.write(b"x" * (1 << 20)); f.close()',
    join(current, 'holes'),
  );
}

/** Everything that would change a snapshot, by name. */
function changes(folder: string): Record<string, () => unknown> {
  const at = (name: string): string => join(folder, name);
  return {
    'open for writing': () => openSync(at('file'), 'r+'),
    'truncating open': () => openSync(at('file'), 'w'),
    create: () => openSync(at('new'), 'w'),
    truncate: () => truncateSync(at('file'), 1),
    mkdir: () => mkdirSync(at('new')),
    rmdir: () => rmdirSync(at('empty')),
    unlink: () => unlinkSync(at('file')),
    symlink: () => symlinkSync('x', at('new')),
    link: () => linkSync(at('file'), at('new')),
    rename: () => renameSync(at('file'), at('new')),
    'rename over': () => renameSync(at('file'), at('link')),
    ...Object.fromEntries(
      Object.entries({ RENAME_NOREPLACE: 1, RENAME_EXCHANGE: 2, RENAME_WHITEOUT: 4 }).map(([name, flag]) => [
        name,
        () =>
          python(
            "call('renameat2', -100, os.fsencode(args[0]), -100, os.fsencode(args[1]), int(args[2]))",
            at('file'),
            at(flag === 2 ? 'secret' : 'new'),
            flag,
          ),
      ]),
    ),
    'a socket': () => python('socket.socket(socket.AF_UNIX).bind(args[0])', at('new')),
    'mknod of a device': () => python('os.mknod(args[0], stat.S_IFCHR | 0o600, os.makedev(1, 3))', at('new')),
    'now as its time': () => python('os.utime(args[0])', at('file')),
    'truncate of a handle': () => python('os.ftruncate(os.open(args[0], os.O_RDWR), 1)', at('file')),
    'copying into a file': () =>
      python('os.copy_file_range(os.open(args[0], 0), os.open(args[0], os.O_WRONLY), 3)', at('file')),
    chmod: () => chmodSync(at('file'), 0o600),
    chown: () => chownSync(at('file'), 5, 5),
    utimes: () => utimesSync(at('file'), 1, 1),
    mkfifo: () => python('os.mkfifo(args[0])', at('new')),
    O_TMPFILE: () => python('os.open(args[0], os.O_TMPFILE | os.O_RDWR)', folder),
    setxattr: () => python("os.setxattr(args[0], 'user.a', b'')", at('file')),
    removexattr: () => python("os.removexattr(args[0], 'user.mark')", at('file')),
    ACL: () =>
      python(
        'os.setxattr(args[0], "system.posix_acl_access", bytes.fromhex(args[1]))',
        at('file'),
        `02000000${'0100060000000000'}${'0400040000000000'}${'2000000000000000'}`,
      ),
  };
}

test('a snapshot changes by nothing, shows links, marks and holes, and keeps its permissions', {
  skip: isRoot ? false : 'needs root',
}, async () => {
  await withStore(
    (store) => {
      chmodSync(store.folder, 0o755);
      const current = join(store.mountpoint, 'host/web1/current');
      fill(current);
      store.cairn('snapshot', 'create', 'host/web1');
      const latest = store.latest('host/web1');
      const before = readdirSync(latest);
      for (const [what, change] of Object.entries(changes(latest))) {
        assert.doesNotThrow(() => hasErrno('EROFS', change), what);
      }
      hasErrno('EXDEV', () => linkSync(join(latest, 'file'), join(current, 'new')));
      assert.deepEqual(readdirSync(latest), before);
      assert.equal(readFileSync(join(latest, 'file'), 'utf8'), 'content');

      const [first, second] = [statSync(join(latest, 'file')), statSync(join(latest, 'sub/second'))];
      assert.deepEqual([first.ino, first.nlink, second.nlink], [second.ino, 2, 2]);
      assert.equal(python("print(os.getxattr(args[0], 'user.mark').decode())", join(latest, 'file')), 'kept');
      assert.equal(
        outputOf('getfacl', ['-cnp', join(latest, 'shared')]),
        outputOf('getfacl', ['-cnp', join(current, 'shared')]),
      );
      assert.equal(lstatSync(join(latest, 'holes')).blocks, (1 << 20) / 512);
      const seek =
        'fd = os.open(args[0], 0); print(os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 4 << 20, os.SEEK_HOLE))';
      assert.equal(python(seek, join(latest, 'holes')), `${4 << 20} ${5 << 20}`);
      const large = "print(os.getxattr(args[0], 'user.large') == b'x' * 65536)";
      for (const folder of [current, latest]) assert.equal(python(large, join(folder, 'sub')), 'True');
      const born = (path: string): bigint => statSync(path, { bigint: true }).birthtimeNs;
      assert.equal(born(join(latest, 'file')), born(join(current, 'file')));

      asUser(NOBODY, NOBODY, () => {
        assert.equal(readFileSync(join(latest, 'file'), 'utf8'), 'content');
        hasErrno('EACCES', () => readFileSync(join(latest, 'secret')));
        hasErrno('EACCES', () => readFileSync(join(latest, 'shared')));
        hasErrno(['EROFS', 'EACCES'], () => writeFileSync(join(latest, 'file'), ''));
      });
      asUser(1005, NOBODY, () => assert.equal(readFileSync(join(latest, 'shared'), 'utf8'), 'shared'));
    },
    { groups: ['host/web1'] },
  );
});
