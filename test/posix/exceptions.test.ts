import assert from 'node:assert/strict';
import { chmodSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { withStore } from '../support/mounted-store.js';
import { python } from '../support/python.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { type Exception, exceptions } from './exceptions.js';

const skip = process.getuid?.() === 0 ? false : 'needs root';
/** Folders on another file system (CAIRN_ORACLE names one) are not held against what ext4 does. */
const oracle = process.env.CAIRN_ORACLE ?? tmpdir();
const isExt4 = outputOf('stat', ['--file-system', '--format=%T', oracle]).startsWith('ext');

/** What the probe prints in a new folder, or the errno's name it ended with. */
function outcomeIn(parent: string, { name, probe }: Exception): string {
  const folder = join(parent, name.replaceAll(/\W+/g, '-'));
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  try {
    return python(probe, folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return code.replace(/^ENOTSUP$/, 'EOPNOTSUPP');
  }
}

test('what is said of ext4 is so', { skip: skip || (isExt4 ? false : 'no ext4 at hand') }, (t) => {
  const folder = temporaryFolder(t);
  for (const exception of exceptions) {
    if (exception.ext4 !== undefined) assert.equal(outcomeIn(folder, exception), exception.ext4, exception.name);
  }
});

test('each known exception is still one', { skip }, async () => {
  await withStore(
    (store) => {
      const folder = join(store.mountpoint, 'host/x/current');
      for (const exception of exceptions) {
        assert.equal(outcomeIn(folder, exception), exception.mount, `${exception.name}: take it off the list?`);
        assert.notEqual(exception.reason, '');
      }
    },
    { groups: ['host/x'] },
  );
});
