import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Backend } from '../../src/backend/backend.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';

/** Runs `body` with an empty backend and takes it down afterwards. */
export type WithBackend = (body: (backend: Backend) => Promise<void>) => Promise<void>;

const MIB = 1024 * 1024;

async function rejectsWith(kind: ErrorKind, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof CairnError, String(error));
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}

async function listed(backend: Backend, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const name of backend.list(prefix)) names.push(name);
  return names.sort();
}

/** What every backend has to do (backend/backend.ts). */
export function testBackend(kind: string, withBackend: WithBackend): void {
  testReading(kind, withBackend);
  testWriting(kind, withBackend);
  testMoving(kind, withBackend);
  testNames(kind, withBackend);
}

function testReading(kind: string, withBackend: WithBackend): void {
  test(`${kind}: what was put is there, whole and in ranges`, async () => {
    await withBackend(async (backend) => {
      const bytes = Buffer.from('0123456789');
      await backend.put('folder/sub/name', bytes);
      assert.deepEqual(await backend.get('folder/sub/name'), bytes);
      assert.equal(await backend.size('folder/sub/name'), 10);
      assert.equal(await backend.touch('folder/sub/name'), 10);
      const range = async (offset: number, length: number) =>
        (await backend.getRange('folder/sub/name', offset, length)).toString();
      assert.equal(await range(2, 3), '234');
      assert.equal(await range(0, 10), '0123456789');
      assert.equal(await range(8, 10), '89');
      assert.equal(await range(10, 1), '');
      assert.equal(await range(99, 1), '');
      assert.equal(await range(5, 0), '');
    });
  });

  test(`${kind}: what is read is the caller's own`, async () => {
    await withBackend(async (backend) => {
      const bytes = Buffer.from('abc');
      await backend.put('name', bytes);
      bytes.fill(0);
      (await backend.get('name')).fill(0);
      (await backend.getRange('name', 0, 3)).fill(0);
      assert.equal((await backend.get('name')).toString(), 'abc');
    });
  });

  test(`${kind}: nothing is told from an error`, async () => {
    await withBackend(async (backend) => {
      for (const name of ['absent', 'no/such/folder']) {
        assert.equal(await backend.size(name), undefined);
        assert.equal(await backend.touch(name), undefined);
        assert.deepEqual(await backend.removeAll([name]), [false]);
        assert.deepEqual(await backend.moveAll([{ from: name, to: 'other/name' }]), [false]);
        await rejectsWith('not-found', backend.get(name));
        await rejectsWith('not-found', backend.getRange(name, 0, 1));
      }
      assert.deepEqual(await listed(backend, ''), []);
      assert.deepEqual(await listed(backend, 'no/such/folder'), []);
    });
  });

  test(`${kind}: a range has to be one`, async () => {
    await withBackend(async (backend) => {
      await backend.put('name', Buffer.from('abc'));
      for (const [offset, length] of [
        [-1, 1],
        [0, -1],
        [0.5, 1],
        [0, Number.NaN],
        [2 ** 53, 1],
      ] as const) {
        await rejectsWith('invalid', backend.getRange('name', offset, length));
      }
    });
  });
}

function testWriting(kind: string, withBackend: WithBackend): void {
  test(`${kind}: the last put counts, empty and large ones too`, async () => {
    await withBackend(async (backend) => {
      const large = randomBytes(20 * MIB);
      for (const bytes of [Buffer.from('first'), Buffer.alloc(0), large, Buffer.from('last')]) {
        await backend.put('folder/name', bytes);
        assert.equal(await backend.size('folder/name'), bytes.length);
        assert.ok((await backend.get('folder/name')).equals(bytes));
      }
      assert.deepEqual(await listed(backend, ''), ['folder/name']);
    });
  });

  test(`${kind}: of puts of one name at once one wins as a whole`, async () => {
    await withBackend(async (backend) => {
      const contents = Array.from({ length: 8 }, (_, index) => Buffer.alloc(MIB, index));
      await Promise.all(contents.map((bytes) => backend.put('folder/name', bytes)));
      const got = await backend.get('folder/name');
      assert.ok(contents.some((bytes) => bytes.equals(got)));
      assert.deepEqual(await listed(backend, ''), ['folder/name']);
    });
  });

  test(`${kind}: barriers, one after the other and at once, few and many objects`, async () => {
    await withBackend(async (backend) => {
      await backend.sync();
      await backend.put('one', Buffer.from('1'));
      await Promise.all([backend.sync(), backend.sync(), backend.put('two', Buffer.from('2')), backend.sync()]);
      await backend.removeAll(['one']);
      await backend.sync();
      const many = Array.from({ length: 100 }, (_, index) => `many/${index % 7}/${index}`);
      await Promise.all(many.map((name) => backend.put(name, Buffer.from(name))));
      await backend.sync();
      assert.deepEqual(await listed(backend, 'many'), many.sort());
    });
  });

  test(`${kind}: figures make sense`, async () => {
    await withBackend(async (backend) => {
      const figures = await backend.figures();
      if (figures === undefined) return;
      assert.ok(figures.totalBytes > 0 && figures.availableBytes <= figures.freeBytes);
      assert.ok(figures.freeBytes <= figures.totalBytes && figures.freeFiles <= figures.totalFiles);
    });
  });
}

function testMoving(kind: string, withBackend: WithBackend): void {
  test(`${kind}: a removed object is gone and can come back`, async () => {
    await withBackend(async (backend) => {
      await backend.put('a/b', Buffer.from('1'));
      assert.deepEqual(await backend.removeAll(['a/b', 'a/c']), [true, false]);
      assert.equal(await backend.size('a/b'), undefined);
      assert.deepEqual(await backend.removeAll(['a/b']), [false]);
      await backend.put('a/b', Buffer.from('2'));
      assert.equal((await backend.get('a/b')).toString(), '2');
    });
  });

  test(`${kind}: objects move, into new folders and over what is there`, async () => {
    await withBackend(async (backend) => {
      await backend.put('a/1', Buffer.from('one'));
      await backend.put('a/2', Buffer.from('two'));
      await backend.put('b/2', Buffer.from('old'));
      const moves = [
        { from: 'a/1', to: 'new/folder/1' },
        { from: 'a/none', to: 'b/none' },
        { from: 'a/2', to: 'b/2' },
      ];
      assert.deepEqual(await backend.moveAll(moves), [true, false, true]);
      assert.deepEqual(await backend.moveAll(moves), [false, false, false]);
      assert.deepEqual(await listed(backend, ''), ['b/2', 'new/folder/1']);
      assert.equal((await backend.get('new/folder/1')).toString(), 'one');
      assert.equal((await backend.get('b/2')).toString(), 'two');
      await backend.sync();
      assert.deepEqual(await backend.moveAll([]), []);
      assert.deepEqual(await backend.removeAll([]), []);
    });
  });

  test(`${kind}: a barrier does not miss what was moved or removed before it`, async () => {
    await withBackend(async (backend) => {
      await backend.put('a/1', Buffer.from('one'));
      await backend.moveAll([{ from: 'a/1', to: 'b/1' }]);
      await backend.sync();
      await backend.put('a/2', Buffer.from('two'));
      const moved = backend.moveAll([{ from: 'a/2', to: 'b/2' }]);
      await Promise.all([moved, backend.sync()]);
      await backend.removeAll(['b/2']);
      await backend.sync();
      assert.deepEqual(await listed(backend, ''), ['b/1']);
    });
  });
}

function testNames(kind: string, withBackend: WithBackend): void {
  test(`${kind}: a listing has what lies below a folder, at any depth`, async () => {
    await withBackend(async (backend) => {
      const names = ['a/1', 'a/b/2', 'ab/3', '.chunks/a9/a948', '4', 'host/web1/2026-11-20T10:00:00Z/index.json.blob'];
      for (const name of names) await backend.put(name, Buffer.from(name));
      assert.deepEqual(await listed(backend, ''), [...names].sort());
      assert.deepEqual(await listed(backend, 'a'), ['a/1', 'a/b/2']);
      assert.deepEqual(await listed(backend, 'a/b'), ['a/b/2']);
      assert.deepEqual(await listed(backend, '.chunks'), ['.chunks/a9/a948']);
    });
  });

  test(`${kind}: names that are none are refused by every method`, async () => {
    await withBackend(async (backend) => {
      const long = 'x'.repeat(256);
      const bad = [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        'a/../b',
        './a',
        'a b',
        'ä',
        'a\0b',
        'a\nb',
        long,
        `${long}/a`,
      ];
      for (const name of [...bad, 'x'.repeat(245), 'a.tmp_a1B2c3']) {
        await rejectsWith('invalid', backend.put(name, Buffer.alloc(1)));
        await rejectsWith('invalid', backend.get(name));
        await rejectsWith('invalid', backend.getRange(name, 0, 1));
        await rejectsWith('invalid', backend.size(name));
        await rejectsWith('invalid', backend.touch(name));
        await rejectsWith('invalid', backend.removeAll(['fine', name]));
        await rejectsWith('invalid', backend.moveAll([{ from: 'fine', to: name }]));
        await rejectsWith('invalid', backend.moveAll([{ from: name, to: 'fine' }]));
      }
      for (const prefix of bad.filter((name) => name !== '')) await rejectsWith('invalid', listed(backend, prefix));
      await backend.put('x'.repeat(244), Buffer.from('longest'));
      assert.deepEqual(await listed(backend, ''), ['x'.repeat(244)]);
    });
  });
}
