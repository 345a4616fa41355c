import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { diesBy, isDying } from '../../src/daemon/dying-caller.js';
import { OPCODE } from '../../src/fuse/wire/opcodes.js';
import type { RequestCaller } from '../../src/fuse/wire/request.js';
import type { Attributes, Caller } from '../../src/vfs/api.js';
import { fields, u32, u64 } from '../support/fuse-requests.js';
import { ATTRIBUTES, kernelOn, read } from '../support/noted-vfs.js';

const { errno } = constants;

test('an interrupt reaches whoever works for a caller that dies, and is not answered itself', async () => {
  const callers: Caller[] = [];
  const { kernel } = kernelOn({
    names: {
      makeFolder: (caller) => {
        callers.push(caller);
        const { interrupted } = caller as RequestCaller;
        return new Promise((_, reject) => interrupted.addEventListener('abort', () => reject(interrupted.reason)));
      },
    },
  });
  const unique = kernel.send({ opcode: OPCODE.MKDIR, pid: 42, body: fields(u32(0o755), u32(0o22), 'a\0') });
  kernel.dying.add(42);
  kernel.send({ opcode: OPCODE.INTERRUPT, body: fields(u64(unique)) });
  kernel.send({ opcode: OPCODE.INTERRUPT, body: fields(u64(unique + 100)) });
  await new Promise((resolve) => {
    kernel.exchange.onSettled = () => resolve(undefined);
  });
  assert.deepEqual(
    kernel.answers.map((answer) => [answer.unique, answer.errno]),
    [[unique, errno.EINTR]],
  );
  assert.equal(callers[0]?.pid, 42);
});

test('a signal that the caller survives interrupts nothing, until it dies after all', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { kernel } = kernelOn({ files: { read: () => new Promise(() => undefined) } });
  const unique = kernel.send({ ...read(0, 10), pid: 42 });
  kernel.send({ opcode: OPCODE.INTERRUPT, body: fields(u64(unique)) });
  t.mock.timers.tick(1000);
  assert.equal(kernel.answers.length, 0);
  kernel.dying.add(42);
  t.mock.timers.tick(1000);
  assert.deepEqual([kernel.answers[0]?.unique, kernel.answers[0]?.errno], [unique, errno.EINTR]);
});

test('who dies is answered at once where nothing changes, and what comes of it later is taken back', async () => {
  let found: (attributes: Attributes) => void = () => undefined;
  const { kernel, calls } = kernelOn({
    names: {
      lookup: () =>
        new Promise((resolve) => {
          found = resolve;
        }),
    },
  });
  kernel.dying.add(42);
  const unique = kernel.send({ opcode: OPCODE.LOOKUP, pid: 42, body: fields('a\0') });
  kernel.send({ opcode: OPCODE.INTERRUPT, body: fields(u64(unique)) });
  assert.deepEqual([kernel.answers[0]?.unique, kernel.answers[0]?.errno], [unique, errno.EINTR]);
  assert.ok(!kernel.exchange.mayBeLocked({ archive: 0, position: 1 }));
  assert.equal(kernel.exchange.pendingCount, 1);
  const settled = new Promise((resolve) => {
    kernel.exchange.onSettled = () => resolve(undefined);
  });
  found(ATTRIBUTES);
  await settled;
  assert.equal(kernel.answers.length, 1);
  assert.deepEqual(calls, ['names.lookup 1 a', 'names.forget 9 1']);
});

test('a caller dies of a signal that nothing handles, blocks or ignores', () => {
  const status = (fields: Record<string, string>) =>
    Object.entries({ SigPnd: '0', ShdPnd: '0', SigBlk: '0', SigIgn: '0', SigCgt: '0', ...fields })
      .map(([field, mask]) => `${field}:\t${mask.padStart(16, '0')}\n`)
      .join('');
  const [sigint, sigkill, sigurg] = ['2', '100', '400000'];
  assert.ok(!diesBy(status({})));
  assert.ok(diesBy(status({ SigPnd: sigkill })));
  assert.ok(diesBy(status({ ShdPnd: sigkill, SigBlk: 'ffffffffffffffff' })));
  assert.ok(diesBy(status({ ShdPnd: sigint })));
  for (const field of ['SigBlk', 'SigIgn', 'SigCgt']) assert.ok(!diesBy(status({ ShdPnd: sigint, [field]: sigint })));
  assert.ok(!diesBy(status({ SigPnd: sigurg })));
  assert.ok(!isDying(process.pid) && !isDying(0) && isDying(2 ** 22 + 1));
});
