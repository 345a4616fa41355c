import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { isOwnersOrRoots, preparePrivateFolder, restrictSocket } from '../../src/daemon/control-socket.js';
import { socketPeer } from '../../src/native/peer.js';
import { ofKind } from '../support/catalog.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const NOBODY = 65534;
const needsRoot = process.getuid?.() === 0 ? false : 'needs root';
/** Prints what the server says. */
const ASK = `
  const socket = require('node:net').connect(process.argv[1]);
  socket.on('error', (error) => { console.log(error.code); });
  socket.on('data', (bytes) => process.stdout.write(bytes));`;

async function answerTo(path: string, uid: number): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', ASK, path], { uid, gid: uid, cwd: '/' });
  return stdout.trim();
}

test('the kernel says who connected, and only the owner and root may ask', { skip: needsRoot }, async (t) => {
  // Not below the test's own folder, which others may not enter.
  const folder = mkdtempSync('/tmp/cairn-peer-');
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'control.sock');
  const server = createServer((socket) => socket.end(isOwnersOrRoots(socket) ? 'welcome' : 'refused'));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => server.close());
  restrictSocket(path);
  assert.deepEqual([await answerTo(path, 0), await answerTo(path, NOBODY)], ['welcome', 'EACCES']);
  chmodSync(folder, 0o755);
  assert.equal(await answerTo(path, NOBODY), 'EACCES');
  // However open it is made: others are refused all the same.
  chmodSync(path, 0o777);
  assert.deepEqual([await answerTo(path, 0), await answerTo(path, NOBODY)], ['welcome', 'refused']);
});

test('a descriptor that is no socket is nobody', () => {
  assert.throws(() => socketPeer(0x7fffffff), { code: 'EBADF' });
  assert.throws(() => socketPeer(-1), RangeError);
});

test('a folder of sockets that others may enter, or that is a link, is refused', (t) => {
  const folder = join(temporaryFolder(t), 'sockets');
  preparePrivateFolder(folder);
  preparePrivateFolder(folder);
  for (const mode of [0o711, 0o770, 0o707]) {
    chmodSync(folder, mode);
    assert.throws(() => preparePrivateFolder(folder), ofKind('access-denied'));
  }
  chmodSync(folder, 0o700);
  const link = join(temporaryFolder(t), 'link');
  symlinkSync(folder, link);
  assert.throws(() => preparePrivateFolder(link), ofKind('access-denied'));
});
