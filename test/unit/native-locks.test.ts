import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { type LockKind, lockFile, lockHolder } from '../../src/native/locks.js';
import { runNodeProgram, startNodeProgram } from '../support/node-program.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const LOCKS = JSON.stringify(new URL('../../src/native/locks.js', import.meta.url).href);

/** A process that takes a lock and holds it until told to end. */
async function otherProcess(path: string, kind: LockKind): Promise<{ pid: number; end(): Promise<void> }> {
  const program = startNodeProgram(
    `import { lockFile } from ${LOCKS};
     const lock = lockFile(${JSON.stringify(path)}, '${kind}');
     console.log(lock === undefined ? 'refused' : 'held');
     process.stdin.resume();`,
  );
  program.stderr.pipe(process.stderr);
  const [line] = (await once(createInterface(program.stdout), 'line')) as [string];
  assert.equal(line, 'held');
  return {
    pid: program.pid as number,
    async end() {
      const ended = once(program, 'close');
      program.stdin.end();
      assert.deepEqual(await ended, [0, null]);
    },
  };
}

/** What a process of its own says about the file: may it lock, and who keeps it from that. */
async function asOther(path: string, kind: LockKind): Promise<string> {
  const end = await runNodeProgram(
    `import { lockFile, lockHolder } from ${LOCKS};
     const holder = lockHolder(${JSON.stringify(path)}, '${kind}');
     const lock = lockFile(${JSON.stringify(path)}, '${kind}');
     console.log(lock === undefined ? 'refused' : 'granted', holder === ${process.pid} ? 'us' : holder);`,
  );
  assert.equal(end.stderr, '');
  return end.stdout.trim();
}

test('a write lock keeps other processes out, a read lock only their writers', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const write = lockFile(path, 'write');
  assert.equal(write?.kind, 'write');
  assert.ok(existsSync(path));
  assert.equal(await asOther(path, 'read'), 'refused us');
  assert.equal(await asOther(path, 'write'), 'refused us');
  write?.release();
  write?.release();
  const read = lockFile(path, 'read');
  assert.equal(await asOther(path, 'read'), 'granted undefined');
  assert.equal(await asOther(path, 'write'), 'refused us');
  read?.release();
  assert.equal(await asOther(path, 'write'), 'granted undefined');
});

test('we are kept out by another process, and told which', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const reader = await otherProcess(path, 'read');
  assert.equal(lockFile(path, 'write'), undefined);
  assert.equal(lockHolder(path, 'write'), reader.pid);
  assert.equal(lockHolder(path, 'read'), undefined);
  const mine = lockFile(path, 'read');
  assert.equal(mine?.holder(), reader.pid);
  assert.equal(lockFile(path, 'write'), undefined, 'a read lock does not become a write lock beside another');
  await reader.end();
  assert.equal(mine?.holder(), undefined);
  mine?.release();
  const writer = await otherProcess(path, 'write');
  assert.equal(lockFile(path, 'read'), undefined);
  assert.equal(lockHolder(path, 'read'), writer.pid);
  await writer.end();
  const free = lockFile(path, 'write');
  assert.ok(free);
  free.release();
});

test('locks of one process share the file: the last release lets others in', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const [first, second] = [lockFile(path, 'read'), lockFile(path, 'read')];
  first?.release();
  assert.equal(await asOther(path, 'write'), 'refused us', 'the second read lock still stands');
  const write = lockFile(path, 'write');
  assert.ok(write, 'a writer beside our own readers');
  assert.equal(lockFile(path, 'write'), undefined, 'but one writer only');
  assert.equal(lockHolder(path, 'write'), process.pid);
  assert.equal(await asOther(path, 'read'), 'refused us');
  write.release();
  assert.equal(await asOther(path, 'read'), 'granted undefined', 'back to a read lock');
  assert.equal(await asOther(path, 'write'), 'refused us');
  second?.release();
  assert.equal(await asOther(path, 'write'), 'granted undefined');
});

test('a lock that was refused leaves no descriptor that takes others away', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const reader = await otherProcess(path, 'read');
  const mine = lockFile(path, 'read');
  for (let attempt = 0; attempt < 3; attempt++) {
    assert.equal(lockFile(path, 'write'), undefined);
    lockHolder(path, 'write');
  }
  await reader.end();
  assert.equal(await asOther(path, 'write'), 'refused us');
  mine?.release();
});

test('wrong arguments are refused, errors of the system come through', (t) => {
  const folder = temporaryFolder(t);
  assert.throws(() => lockFile(join(folder, 'lock'), 'shared' as LockKind), TypeError);
  assert.throws(() => lockFile('', 'read'), RangeError);
  assert.throws(() => lockFile(join(folder, 'no', 'lock'), 'read'), { code: 'ENOENT', syscall: 'open' });
  assert.throws(() => lockFile(folder, 'read'), { code: 'EISDIR' });
});
