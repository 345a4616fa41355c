import assert from 'node:assert/strict';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { outputOf } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import { asUser, type Family, letClockAdvance, NOBODY } from './family.js';

const PAST = 1_000_000_000_123_456_789n;

const setTimes = (path: string, atime: bigint, mtime: bigint): string =>
  python('os.utime(args[0], ns=(int(args[1]), int(args[2])), follow_symlinks=False)', path, atime, mtime);

function timesOf(path: string): [atime: bigint, mtime: bigint] {
  const { atimeNs, mtimeNs } = lstatSync(path, { bigint: true });
  return [atimeNs, mtimeNs];
}

const ctimeOf = (path: string): bigint => lstatSync(path, { bigint: true }).ctimeNs;

/** Asserts that `action` gives the folder a new mtime and ctime. */
function assertTouches(folder: string, action: () => unknown): void {
  setTimes(folder, PAST, PAST);
  const before = ctimeOf(folder);
  letClockAdvance();
  action();
  assert.ok(timesOf(folder)[1] > PAST, `mtime after ${action}`);
  assert.ok(ctimeOf(folder) > before, `ctime after ${action}`);
}

export const times: Family = {
  name: 'times',
  cases: {
    'nanoseconds are kept on files, folders, links and pipes': (folder) => {
      const paths = ['file', 'sub', 'link', 'pipe'].map((name) => join(folder, name));
      const [file, sub, link, pipe] = paths as [string, string, string, string];
      writeFileSync(file, '');
      mkdirSync(sub);
      symlinkSync('nowhere', link);
      python('os.mkfifo(args[0])', pipe);
      for (const path of paths) {
        setTimes(path, PAST, PAST + 1n);
        assert.deepEqual(timesOf(path), [PAST, PAST + 1n]);
      }
    },

    'times before 1970 and after 2038 are kept': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      for (const seconds of [0n, 1n, -1n, -1_500_000_000n, 2n ** 31n, 9_000_000_000n]) {
        const time = seconds * 1_000_000_000n + 999_999_999n;
        setTimes(path, time, time - 1n);
        assert.deepEqual(timesOf(path), [time, time - 1n]);
      }
    },

    'one time can be set without the other': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      setTimes(path, PAST, PAST);
      outputOf('touch', ['-a', '-d', '@5.000000007', path]);
      assert.deepEqual(timesOf(path), [5_000_000_007n, PAST]);
      outputOf('touch', ['-m', '-d', '@6.000000008', path]);
      assert.deepEqual(timesOf(path), [5_000_000_007n, 6_000_000_008n]);
      const start = BigInt(Date.now() - 5000) * 1_000_000n;
      outputOf('touch', ['-m', path]);
      assert.ok(timesOf(path)[1] > start);
    },

    'setting times changes ctime to now': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      const before = ctimeOf(path);
      letClockAdvance();
      setTimes(path, PAST, PAST);
      assert.ok(ctimeOf(path) > before);
      assert.ok(ctimeOf(path) <= BigInt(Date.now() + 1000) * 1_000_000n);
    },

    'writing changes mtime and ctime, reading neither': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, 'content');
      setTimes(path, PAST, PAST);
      const before = ctimeOf(path);
      letClockAdvance();
      readFileSync(path);
      assert.equal(timesOf(path)[1], PAST);
      assert.equal(ctimeOf(path), before);
      const open = openSync(path, 'r+');
      writeSync(open, 'C');
      assert.ok(timesOf(path)[1] > PAST, 'seen while the file is open');
      assert.ok(ctimeOf(path) > before);
      closeSync(open);
    },

    'times set on an open file stay when it is closed': (folder) => {
      const path = join(folder, 'file');
      const program = `
fd = os.open(args[0], os.O_RDWR | os.O_CREAT); os.write(fd, b'x' * 300000)
os.utime(fd, ns=(int(args[1]), int(args[1]))); os.close(fd)`;
      python(program, path, PAST);
      assert.deepEqual(timesOf(path), [PAST, PAST]);
      assert.equal(readFileSync(path).length, 300_000);
    },

    'chmod changes ctime only': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      setTimes(path, PAST, PAST);
      const before = ctimeOf(path);
      letClockAdvance();
      python('os.chmod(args[0], 0o600)', path);
      assert.deepEqual(timesOf(path), [PAST, PAST]);
      assert.ok(ctimeOf(path) > before);
    },

    'whatever changes its names touches a folder': (folder) => {
      const at = (name: string): string => join(folder, name);
      assertTouches(folder, () => writeFileSync(at('file'), ''));
      assertTouches(folder, () => mkdirSync(at('sub')));
      assertTouches(folder, () => symlinkSync('x', at('link')));
      assertTouches(folder, () => renameSync(at('link'), at('renamed')));
      assertTouches(folder, () => unlinkSync(at('renamed')));
      assertTouches(folder, () => rmdirSync(at('sub')));
      setTimes(folder, PAST, PAST);
      writeFileSync(at('file'), 'only content changes', { flag: 'r+' });
      assert.equal(timesOf(folder)[1], PAST);
    },

    'a truncating open of an empty file sets the times, an ordinary open does not': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      setTimes(path, PAST, PAST);
      closeSync(openSync(path, 'r+'));
      assert.equal(timesOf(path)[1], PAST);
      closeSync(openSync(path, 'w'));
      assert.ok(timesOf(path)[1] > PAST);
    },

    'the time of birth is that of the making, and stays': (folder) => {
      const path = join(folder, 'file');
      const start = BigInt(Date.now() - 2000) * 1_000_000n;
      writeFileSync(path, 'content');
      const born = statSync(path, { bigint: true }).birthtimeNs;
      assert.ok(born > start && born <= BigInt(Date.now() + 1000) * 1_000_000n);
      setTimes(path, PAST, PAST);
      letClockAdvance();
      writeFileSync(path, 'changed');
      renameSync(path, join(folder, 'moved'));
      const { birthtimeNs, ctimeNs } = statSync(join(folder, 'moved'), { bigint: true });
      assert.equal(birthtimeNs, born);
      assert.ok(ctimeNs > born);
      mkdirSync(join(folder, 'sub'));
      assert.ok(statSync(join(folder, 'sub'), { bigint: true }).birthtimeNs > start);
    },

    'reading moves atime by the relatime rule': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, 'content');
      const now = BigInt(Date.now()) * 1_000_000n;
      const read = (): bigint => {
        letClockAdvance();
        readFileSync(path);
        return timesOf(path)[0];
      };
      setTimes(path, PAST, now);
      assert.ok(read() > PAST, 'older than the last change');
      const moved = timesOf(path)[0];
      assert.equal(read(), moved, 'younger than any change');
      const program = 'fd = os.open(args[0], os.O_RDONLY | os.O_NOATIME); os.read(fd, 9)';
      setTimes(path, PAST, now);
      python(program, path);
      assert.equal(timesOf(path)[0], PAST, 'O_NOATIME');
    },

    'a read moves atime whether or not the kernel has the bytes': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, 'content');
      for (let time = 0; time < 3; time++) {
        setTimes(path, PAST, PAST);
        assert.equal(readFileSync(path, 'utf8'), 'content');
        assert.ok(timesOf(path)[0] > PAST, `read ${time}`);
      }
    },

    'a new file has times of now': (folder) => {
      const start = BigInt(Date.now() - 2000) * 1_000_000n;
      const path = join(folder, 'file');
      writeFileSync(path, '');
      const { atimeNs, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
      for (const time of [atimeNs, mtimeNs, ctimeNs]) {
        assert.ok(time > start && time <= BigInt(Date.now() + 1000) * 1_000_000n);
      }
    },
  },
  rootCases: {
    'another user may set times to now where he may write, but not to a time': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      python('os.chmod(args[0], 0o666); os.utime(args[0], (1, 1))', path);
      asUser(NOBODY, NOBODY, () => {
        hasErrno('EPERM', () => python('os.utime(args[0], (5, 5))', path));
        python('os.utime(args[0])', path);
      });
      assert.ok(statSync(path).mtimeMs > 1_000_000_000_000);
    },
  },
};
