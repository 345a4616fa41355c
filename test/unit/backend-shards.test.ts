import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerBytesOf, looksLikeShard, parseShardHeader } from '../../src/backend/erasure/shard-header.js';
import {
  codeObject,
  cutObject,
  joinShards,
  parityBytesOf,
  readShards,
  type Shard,
} from '../../src/backend/erasure/shards.js';
import { CairnError } from '../../src/core/errors.js';
import { parseRedundancy, piecesOf, type Redundancy } from '../../src/core/redundancy.js';
import { crc64Sync } from '../../src/native/erasure.js';
import { Random, seedOfRun } from '../support/random.js';

const NAME = '.chunks/a9/a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447';

async function cut(object: Buffer, redundancy: Redundancy): Promise<Buffer[]> {
  const coded = await codeObject(object, redundancy, Buffer.alloc(parityBytesOf(object.length, redundancy), 0xff));
  return cutObject(object, coded, { redundancy, name: NAME, generation: 7 }).map((parts) => Buffer.concat(parts));
}

async function sound(files: readonly Buffer[]): Promise<Shard[]> {
  const read = await readShards(files);
  return read.map((shard) => {
    if (shard instanceof CairnError) throw shard;
    return shard;
  });
}

test('any data pieces give any object back, whatever its length', async (t) => {
  const random = new Random(seedOfRun(t));
  for (const text of ['single', 'mirror:3', 'ec:2+1', 'ec:4+2', 'ec:6+3', 'ec:8+4', 'ec:10+4', 'ec:3+7', 'ec:254+1']) {
    const redundancy = parseRedundancy(text);
    for (const length of [0, 1, 2, 100, 1023, 4096, 65_537, random.between(1, 300_000)]) {
      const object = random.bytes(length);
      const files = await cut(object, redundancy);
      assert.equal(files.length, piecesOf(redundancy));
      const left = [...files];
      while (left.length > redundancy.data) left.splice(random.below(left.length), 1);
      assert.ok((await joinShards(await sound(left))).equals(object), `${text}, ${length} bytes`);
    }
  }
});

test('a piece says all that is needed to put its object together', async () => {
  const object = Buffer.from('0123456789');
  const files = await cut(object, parseRedundancy('ec:4+2'));
  const header = parseShardHeader(files[5] as Buffer);
  const { objectCrc: crc, shardCrc: _, ...rest } = header;
  assert.equal(crc, crc64Sync(object));
  assert.deepEqual(rest, {
    redundancy: { data: 4, parity: 2 },
    ...{ index: 5, objectBytes: 10, shardBytes: 3, generation: 7, name: NAME },
  });
  assert.equal((files[3] as Buffer).length, headerBytesOf(NAME) + 3);
  assert.deepEqual([...(files[3] as Buffer).subarray(-3)], [0x39, 0, 0]);
});

test('every changed, missing or additional byte is noticed', async () => {
  const [file] = (await cut(Buffer.from('some bytes of an object'), parseRedundancy('ec:2+1'))) as [Buffer];
  for (let at = 0; at < file.length; at += 1) {
    const changed = Buffer.from(file);
    changed[at] = (changed[at] as number) ^ 0x10;
    assert.ok((await readShards([changed]))[0] instanceof CairnError, `byte ${at}`);
    assert.ok((await readShards([file.subarray(0, at)]))[0] instanceof CairnError, `cut off at ${at}`);
  }
  assert.ok((await readShards([Buffer.concat([file, Buffer.alloc(1)])]))[0] instanceof CairnError);
});

test('a piece is not taken for a blob, nor a blob for a piece', async () => {
  const [file] = (await cut(Buffer.from('x'), parseRedundancy('mirror:2'))) as [Buffer];
  assert.ok(looksLikeShard(file));
  // The magics of PBS's blobs (pbs-format §2.1).
  for (const magic of ['42ab3807beaca94a', '31b959d0eee4ab5f', '7bd83d0ff0cf5d5a', 'e6596cfb1c0a7b5d']) {
    assert.ok(!looksLikeShard(Buffer.concat([Buffer.from(magic, 'hex'), Buffer.alloc(8)])));
  }
});
