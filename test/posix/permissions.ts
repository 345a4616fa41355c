import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import { asUser, type Family, letClockAdvance, NOBODY } from './family.js';

const modeOf = (path: string): number => lstatSync(path).mode & 0o7777;

/** Calls `action` with this umask. */
function withUmask(mask: number, action: () => void): void {
  const before = process.umask(mask);
  try {
    action();
  } finally {
    process.umask(before);
  }
}

function fileOfMode(folder: string, mode: number): string {
  const path = join(folder, 'file');
  writeFileSync(path, 'content');
  chmodSync(path, mode);
  return path;
}

export const modes: Family = {
  name: 'modes',
  cases: {
    'every combination of permission bits is kept': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      for (let mode = 0; mode <= 0o777; mode += 13) {
        chmodSync(path, mode);
        assert.equal(modeOf(path), mode);
      }
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      for (const mode of [0o1777, 0o700, 0o2755, 0o4711]) {
        chmodSync(sub, mode);
        assert.equal(modeOf(sub), mode);
      }
    },

    'setuid, setgid and sticky are kept on files': (folder) => {
      for (const mode of [0o4755, 0o2755, 0o1644, 0o6711]) {
        assert.equal(modeOf(fileOfMode(folder, mode)), mode);
        unlinkSync(join(folder, 'file'));
      }
    },

    'new files and folders obey the umask': (folder) => {
      withUmask(0o027, () => {
        closeSync(openSync(join(folder, 'file'), 'w', 0o666));
        mkdirSync(join(folder, 'sub'), 0o777);
        python('os.umask(0o027); os.mkfifo(args[0], 0o666)', join(folder, 'pipe'));
      });
      withUmask(0, () => closeSync(openSync(join(folder, 'open'), 'w', 0o777)));
      assert.equal(modeOf(join(folder, 'file')), 0o640);
      assert.equal(modeOf(join(folder, 'sub')), 0o750);
      assert.equal(modeOf(join(folder, 'pipe')), 0o640);
      assert.equal(modeOf(join(folder, 'open')), 0o777);
    },

    'who creates a file may write it whatever its mode': (folder) => {
      const path = join(folder, 'file');
      const open = openSync(path, 'wx', 0o000);
      writeSync(open, 'content');
      closeSync(open);
      chmodSync(path, 0o400);
      assert.equal(readFileSync(path, 'utf8'), 'content');
    },

    'a symbolic link has all bits': (folder) => {
      symlinkSync('nowhere', join(folder, 'link'));
      assert.equal(modeOf(join(folder, 'link')), 0o777);
    },

    'folders below a setgid folder are setgid too': (folder) => {
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      chmodSync(sub, 0o2775);
      mkdirSync(join(sub, 'inner'), 0o755);
      writeFileSync(join(sub, 'file'), '');
      assert.equal(modeOf(join(sub, 'inner')) & 0o2000, 0o2000);
      assert.equal(modeOf(join(sub, 'file')) & 0o2000, 0);
      assert.equal(statSync(join(sub, 'file')).gid, statSync(sub).gid);
    },

    'a program on it can be run': (folder) => {
      const path = join(folder, 'program');
      copyFileSync('/bin/true', path);
      chmodSync(path, 0o755);
      assert.equal(spawnSync(path).status, 0);
      const script = join(folder, 'script');
      writeFileSync(script, '#!/bin/sh\nexit 7\n', { mode: 0o755 });
      assert.equal(spawnSync(script).status, 7);
    },

    'a program that runs cannot be written to': (folder) => {
      const path = join(folder, 'sleeper');
      copyFileSync('/bin/cat', path);
      chmodSync(path, 0o755);
      const program = `
import subprocess
p = subprocess.Popen([args[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
p.stdin.write(b'x'); p.stdin.flush(); p.stdout.read(1)
try: os.open(args[0], os.O_WRONLY)
finally: p.stdin.close(); p.wait(); p.stdout.close()`;
      hasErrno('ETXTBSY', () => python(program, path));
    },
  },
  rootCases: {
    'owner, group and others are told apart': (folder) => {
      chmodSync(folder, 0o755);
      const path = fileOfMode(folder, 0o640);
      chownSync(path, 1001, 1002);
      asUser(1001, NOBODY, () => writeFileSync(path, 'by owner'));
      asUser(NOBODY, 1002, () => {
        assert.equal(readFileSync(path, 'utf8'), 'by owner');
        hasErrno('EACCES', () => writeFileSync(path, 'x'));
      });
      asUser(NOBODY, NOBODY, () => hasErrno('EACCES', () => readFileSync(path)));
    },

    'a folder needs x to pass, r to list, w to change': (folder) => {
      chmodSync(folder, 0o755);
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      writeFileSync(join(sub, 'file'), 'content');
      const asNobody = (mode: number, action: () => void): void => {
        chmodSync(sub, mode);
        asUser(NOBODY, NOBODY, action);
      };
      asNobody(0o704, () => hasErrno('EACCES', () => readFileSync(join(sub, 'file'))));
      asNobody(0o704, () => assert.deepEqual(readdirSync(sub), ['file']));
      asNobody(0o701, () => assert.equal(readFileSync(join(sub, 'file'), 'utf8'), 'content'));
      asNobody(0o701, () => hasErrno('EACCES', () => readdirSync(sub)));
      asNobody(0o705, () => hasErrno('EACCES', () => writeFileSync(join(sub, 'new'), '')));
      asNobody(0o705, () => hasErrno('EACCES', () => unlinkSync(join(sub, 'file'))));
      asNobody(0o707, () => unlinkSync(join(sub, 'file')));
    },

    'in a sticky folder only the owner removes': (folder) => {
      chmodSync(folder, 0o1777);
      writeFileSync(join(folder, 'file'), '');
      mkdirSync(join(folder, 'sub'));
      asUser(NOBODY, NOBODY, () => {
        hasErrno('EPERM', () => unlinkSync(join(folder, 'file')));
        hasErrno('EPERM', () => rmdirSync(join(folder, 'sub')));
        writeFileSync(join(folder, 'mine'), '');
        unlinkSync(join(folder, 'mine'));
      });
    },

    'an ordinary user writing a file takes its setuid and setgid': (folder) => {
      chmodSync(folder, 0o755);
      const path = fileOfMode(folder, 0o6777);
      asUser(NOBODY, NOBODY, () => writeFileSync(path, 'x', { flag: 'r+' }));
      assert.equal(modeOf(path), 0o777);
      chmodSync(path, 0o6777);
      asUser(NOBODY, NOBODY, () => python('os.truncate(args[0], 1)', path));
      assert.equal(modeOf(path), 0o777);
      chmodSync(path, 0o6777);
      writeFileSync(path, 'x', { flag: 'r+' });
      assert.equal(modeOf(path), 0o6777, 'root may');
    },

    'room made by an ordinary user takes setuid and setgid, too': (folder) => {
      chmodSync(folder, 0o755);
      const path = fileOfMode(folder, 0o6777);
      const allocate = "call('fallocate', os.open(args[0], os.O_RDWR), 0, ctypes.c_long(0), ctypes.c_long(5000))";
      python(allocate, path);
      assert.equal(modeOf(path), 0o6777, 'root may');
      asUser(NOBODY, NOBODY, () => python(allocate, path));
      assert.equal(modeOf(path), 0o777);
    },

    'chmod by a stranger is refused, by the owner outside the group loses setgid': (folder) => {
      chmodSync(folder, 0o755);
      const path = fileOfMode(folder, 0o644);
      asUser(NOBODY, NOBODY, () => hasErrno('EPERM', () => chmodSync(path, 0o777)));
      chownSync(path, NOBODY, 0);
      asUser(NOBODY, NOBODY, () => chmodSync(path, 0o2755));
      assert.equal(modeOf(path), 0o755);
    },
  },
};

export const owners: Family = {
  name: 'owners',
  cases: {
    'a new file belongs to who makes it': (folder) => {
      writeFileSync(join(folder, 'file'), '');
      mkdirSync(join(folder, 'sub'));
      symlinkSync('x', join(folder, 'link'));
      for (const name of ['file', 'sub', 'link']) {
        const { uid, gid } = lstatSync(join(folder, name));
        assert.deepEqual([uid, gid], [process.geteuid?.(), process.getegid?.()]);
      }
    },

    'chown to oneself is allowed and changes ctime': (folder) => {
      const path = fileOfMode(folder, 0o644);
      const before = statSync(path, { bigint: true });
      letClockAdvance();
      chownSync(path, Number(before.uid), Number(before.gid));
      assert.ok(statSync(path, { bigint: true }).ctimeNs > before.ctimeNs);
    },
  },
  rootCases: {
    'any owner and group can be set, also on links': (folder) => {
      const path = fileOfMode(folder, 0o644);
      symlinkSync('file', join(folder, 'link'));
      for (const id of [1, 65_535, 65_536, 2_147_483_648, 4_294_967_294]) {
        chownSync(path, id, id - 1);
        assert.deepEqual([statSync(path).uid, statSync(path).gid], [id, id - 1]);
      }
      lchownSync(join(folder, 'link'), 5, 6);
      assert.deepEqual([lstatSync(join(folder, 'link')).uid, statSync(path).uid], [5, 4_294_967_294]);
    },

    'owner and group can be changed one without the other': (folder) => {
      const path = fileOfMode(folder, 0o644);
      chownSync(path, 7, 8);
      python('os.chown(args[0], 9, -1)', path);
      assert.deepEqual([statSync(path).uid, statSync(path).gid], [9, 8]);
      python('os.chown(args[0], -1, 10)', path);
      assert.deepEqual([statSync(path).uid, statSync(path).gid], [9, 10]);
    },

    'chown takes setuid and setgid off a program': (folder) => {
      const path = fileOfMode(folder, 0o6755);
      chownSync(path, 5, 5);
      assert.equal(modeOf(path), 0o755);
      mkdirSync(join(folder, 'sub'));
      chmodSync(join(folder, 'sub'), 0o6755);
      chownSync(join(folder, 'sub'), 5, 5);
      assert.equal(modeOf(join(folder, 'sub')), 0o6755);
    },

    'only root gives files away': (folder) => {
      const path = fileOfMode(folder, 0o644);
      chownSync(path, NOBODY, NOBODY);
      asUser(NOBODY, NOBODY, () => {
        hasErrno('EPERM', () => chownSync(path, 0, NOBODY));
        hasErrno('EPERM', () => chownSync(path, NOBODY, 0));
      });
    },

    'files in a setgid folder get its group': (folder) => {
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      chownSync(sub, 0, 777);
      chmodSync(sub, 0o2777);
      chmodSync(folder, 0o755);
      asUser(NOBODY, NOBODY, () => {
        writeFileSync(join(sub, 'file'), '');
        mkdirSync(join(sub, 'inner'));
        symlinkSync('x', join(sub, 'link'));
      });
      for (const name of ['file', 'inner', 'link']) {
        assert.deepEqual([lstatSync(join(sub, name)).uid, lstatSync(join(sub, name)).gid], [NOBODY, 777]);
      }
    },
  },
};
