import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { callDaemon } from '../../src/control/client.js';
import type { CommandArguments, CommandName } from '../../src/control/commands.js';
import { ownSocketPath } from '../../src/daemon/control-socket.js';
import { outputOf, runCommand } from '../support/commands.js';
import { writeSynced } from '../support/faults/files.js';
import { errorOf, withShim } from '../support/faults/shimmed-store.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { mountAnew, NEEDS_ROOT, onExt4 } from '../support/small-disk.js';

const MIB = 1024 * 1024;
/** Beyond what drafts, encoding and the chunk cache may hold by their own budgets. */
const GROWTH_MIB = 320;

test('a quota that is used up is told as one, deleting goes on, and so does writing when there is room', async () => {
  await withShim(async (store, shim, current) => {
    store.log.expect(/EDQUOT|quota|room|full|reserve/i);
    const kept = randomBytes(3 * MIB);
    writeSynced(join(current, 'kept'), kept);
    writeSynced(join(current, 'small'), Buffer.from('small'));
    const operations = ['create', 'write', 'allocate', 'mkdir'] as const;
    for (const [name, bytes] of [
      ['large', 3 * MIB],
      ['little', 1000],
    ] as const) {
      const classes = ['journal', 'chunk-temp', 'chunk', 'chunk-folder'] as const;
      shim.arm({ classes, operations, action: 'fail', error: 'EDQUOT', fromThen: true });
      const refused = errorOf(() => writeSynced(join(current, name), randomBytes(bytes)));
      assert.equal(refused, 'EDQUOT', name);
      assert.ok(shim.tally.hit > 0);
      shim.disarm();
    }
    assert.ok(readFileSync(join(current, 'kept')).equals(kept));
    rmSync(join(current, 'small'));
    writeSynced(join(current, 'later'), kept.subarray(0, 2 * MIB));
    await store.remount();
    assert.ok(readFileSync(join(current, 'later')).equals(kept.subarray(0, 2 * MIB)));
    assert.deepEqual(store.status().problems, []);
    store.cairn('check', '--deep');
  });
});

test('a disk that the kernel makes read-only below us is told, and what is on it can be read', {
  skip: NEEDS_ROOT,
}, async () => {
  await onExt4(300, async (disk) => {
    const body = async (store: TestStore): Promise<void> => {
      store.log.expect(/EROFS|EIO|read-only|i\/o error|no more changes|cannot/i);
      const current = join(store.mountpoint, 'host/x/current');
      const kept = randomBytes(3 * MIB);
      writeSynced(join(current, 'kept'), kept);
      // What ext4 does where it finds itself damaged; "remount,ro" alone is refused while files are open for writing.
      runCommand('mount', ['-o', 'remount,abort', disk]);
      try {
        assert.match(errorOf(() => writeSynced(join(current, 'new'), randomBytes(3 * MIB))) ?? '', /^(EROFS|EIO)$/);
        assert.equal(
          errorOf(() => writeFileSync(join(current, 'more'), 'x')),
          'EROFS',
        );
        assert.ok(readFileSync(join(current, 'kept')).equals(kept));
        const { status, stdout } = store.run(['status']);
        assert.equal(status, 6, stdout);
        assert.match(stdout, /^Problem .*Changes are refused, for the journal cannot be written: .*EROFS/m);
      } finally {
        await store.abandon();
        mountAnew(disk);
      }
      await store.mount();
      writeSynced(join(current, 'later'), kept.subarray(0, 1000));
      assert.ok(readFileSync(join(current, 'kept')).equals(kept));
      store.cairn('check', '--deep');
    };
    await withStore(body, { groups: ['host/x'], inside: disk });
  });
});

test('a disk that becomes read-only is told, by errno and status, and a new mount goes on', async () => {
  await withShim(async (store, shim, current) => {
    store.log.expect(/EROFS|read-only|no more changes/i);
    // A checkpoint of what was committed before may come when the disk is read-only already, and is told once then.
    const checkpoint = /SQLITE_READONLY.*A checkpoint of the catalog failed/;
    store.log.expect(checkpoint);
    const kept = randomBytes(3 * MIB);
    writeSynced(join(current, 'kept'), kept);
    await store.remount();
    const operations = ['create', 'write', 'sync', 'rename', 'unlink', 'truncate', 'allocate', 'mkdir'] as const;
    shim.arm({ operations, action: 'fail', error: 'EROFS', fromThen: true });
    assert.equal(
      errorOf(() => writeSynced(join(current, 'new'), randomBytes(1000))),
      'EROFS',
    );
    assert.ok(readFileSync(join(current, 'kept')).equals(kept), 'what is there cannot be read');
    shim.disarm();
    await store.remount();
    const lines = store.log.text().split('\n');
    assert.ok(lines.filter((line) => checkpoint.test(line)).length <= 1, 'told more than once');
    writeSynced(join(current, 'later'), kept.subarray(0, 1000));
    assert.ok(readFileSync(join(current, 'kept')).equals(kept));
    store.cairn('check', '--deep');
  });
});

test('a journal that cannot be synced makes the store read-only: status says so, with 6, and what to do', async () => {
  await withShim(async (store, shim, current) => {
    store.log.expect(/EIO|i\/o error|no more changes/i);
    writeSynced(join(current, 'kept'), Buffer.from('kept'));
    shim.arm({ classes: ['journal'], operations: ['sync'], action: 'fail', error: 'EIO' });
    assert.equal(
      errorOf(() => writeSynced(join(current, 'told'), Buffer.from('told'))),
      'EIO',
    );
    shim.disarm();
    assert.equal(
      errorOf(() => writeFileSync(join(current, 'refused'), 'x')),
      'EROFS',
    );
    const { status, stdout } = store.run(['status']);
    assert.equal(status, 6, stdout);
    assert.match(stdout, /^Problem .*takes no changes.*fdatasync.*mount it again$/m);
    assert.equal(readFileSync(join(current, 'kept'), 'utf8'), 'kept');
    await store.remount();
    writeSynced(join(current, 'later'), Buffer.from('later'));
    assert.equal(readFileSync(join(current, 'kept'), 'utf8'), 'kept');
    store.cairn('check', '--deep');
  });
});

test('chunks that cannot be read, or whose folder has vanished, are an I/O error and no absence, until they can again', async () => {
  await withShim(async (store, shim, current) => {
    store.log.expect(/chunk|durable|no more changes/i);
    const kept = randomBytes(3 * MIB);
    writeSynced(join(current, 'kept'), kept);
    await store.remount();
    shim.arm({ classes: ['chunk'], operations: ['open', 'read'], action: 'fail', error: 'EIO', fromThen: true });
    assert.equal(
      errorOf(() => readFileSync(join(current, 'kept'))),
      'EIO',
    );
    shim.disarm();
    const [chunks, away] = [join(store.store, '.chunks'), join(store.folder, 'away')];
    renameSync(chunks, away);
    assert.equal(
      errorOf(() => readFileSync(join(current, 'kept'))),
      'EIO',
    );
    assert.equal(
      errorOf(() => writeSynced(join(current, 'new'), randomBytes(3 * MIB))),
      'EIO',
    );
    renameSync(away, chunks);
    assert.ok(readFileSync(join(current, 'kept')).equals(kept));
    await store.remount();
    assert.ok(readFileSync(join(current, 'kept')).equals(kept));
    store.cairn('check', '--deep');
  });
});

test('a daemon without descriptors left refuses clearly, loses nothing and goes on when there are some', async () => {
  await withShim(async (store, _shim, current) => {
    // A thread that just begins cannot read its program.
    store.log.expect(/EMFILE|too many open files|Checkpoints of the catalog stopped/i);
    const kept = randomBytes(3 * MIB);
    writeSynced(join(current, 'kept'), kept);
    const limit = (count: number): void => {
      outputOf('prlimit', ['--pid', String(store.pid), `--nofile=${count}:`]);
    };
    limit(3);
    assert.equal(
      errorOf(() => writeSynced(join(current, 'new'), randomBytes(3 * MIB))),
      'EIO',
    );
    limit(1024);
    assert.ok(readFileSync(join(current, 'kept')).equals(kept));
    await store.remount();
    writeSynced(join(current, 'new'), kept);
    assert.ok(readFileSync(join(current, 'kept')).equals(kept));
    store.cairn('check', '--deep');
  });
});

test('while the disk is slow writers wait, and the daemon does not grow', { timeout: 200_000 }, async () => {
  await withShim(async (store, shim, current) => {
    const part = randomBytes(16 * MIB);
    writeSynced(join(current, 'first'), part);
    const before = peakMemoryMib(store.pid);
    shim.arm({
      classes: ['chunk-temp'],
      operations: ['write'],
      action: 'delay',
      delayMilliseconds: 30,
      fromThen: true,
    });
    const file = openSync(join(current, 'large'), 'w');
    for (let round = 0; round < 40; round++) {
      part.writeUInt32LE(round, 0);
      for (let at = 0; at < part.length; at += MIB) part.writeUInt32LE(round, at);
      for (let at = 0; at < part.length; ) at += writeSync(file, part, at);
    }
    closeSync(file);
    assert.ok(shim.tally.hit > 0, 'nothing was slow');
    const growth = peakMemoryMib(store.pid) - before;
    assert.ok(growth < GROWTH_MIB, `the daemon grew by ${growth} MiB for 640 MiB written`);
  });
});

function peakMemoryMib(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

test('a snapshot whose forgetting broke off is forgotten when it is asked for again, or pruned', async () => {
  await withShim(async (store, shim) => {
    store.log.expect(/EIO|i\/o error/i);
    const ask = <C extends CommandName>(command: C, args: CommandArguments<C>) =>
      callDaemon(ownSocketPath(store.store), command, args);
    const times: string[] = [];
    for (let n = 0; n < 3; n++) times.push((await ask('snapshot-create', { group: 'host/x' })).time);
    const breakOff = async (time: string): Promise<void> => {
      shim.arm({ classes: ['snapshot-folder', 'forgotten'], operations: ['rename'], action: 'fail', error: 'EIO' });
      await assert.rejects(ask('snapshot-forget', { snapshot: `host/x/${time}` }));
      assert.equal(shim.tally.hit, 1);
    };
    const [first, second, third] = times as [string, string, string];
    await breakOff(first);
    await ask('snapshot-forget', { snapshot: `host/x/${first}` });
    await breakOff(second);
    store.cairn('prune', 'host/x', '--keep-last', '1');
    const left = readdirSync(join(store.store, 'host/x')).filter((name) => name.startsWith('2'));
    assert.deepEqual(left, [third]);
    store.cairn('check', '--deep');
  });
});
