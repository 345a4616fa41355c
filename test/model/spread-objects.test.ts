import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseShardHeader } from '../../src/backend/erasure/shard-header.js';
import type { SpreadBackend } from '../../src/backend/spread/spread-backend.js';
import { ShardPlaces } from '../../src/catalog/shard-places.js';
import { CairnError } from '../../src/core/errors.js';
import { parseRedundancy, piecesOf, toleranceOf } from '../../src/core/redundancy.js';
import type { ShardChange, ShardNews } from '../../src/core/shard-group.js';
import { Random, seedOfRun } from '../support/random.js';
import { MemorySpread } from '../support/spread.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const SCHEMES = ['mirror:2', 'mirror:3', 'ec:2+1', 'ec:4+2', 'ec:6+3', 'ec:10+4', 'ec:3+4', 'ec:13+1'];
const ROUNDS = 300;
const LARGEST_BYTES = 16 * 1024 * 1024;

/** Mostly small, now and then the largest there is. */
function lengthOf(random: Random): number {
  const kind = random.below(100);
  if (kind < 10) return random.below(3);
  if (kind < 95) return random.below(20_000);
  return kind < 99 ? random.below(1_000_000) : LARGEST_BYTES;
}

/** Takes an object from a member or spoils what it has. */
async function lose(spread: MemorySpread, member: number, name: string, random: Random): Promise<void> {
  const store = spread.stores[member]?.real;
  const bytes = await store?.get(name);
  if (store === undefined || bytes === undefined) throw new Error('there is nothing to lose');
  const how = random.below(3);
  if (how === 0) await store.removeAll([name]);
  else if (how === 1) await store.put(name, bytes.subarray(0, random.below(bytes.length)));
  else {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
    await store.put(name, bytes);
  }
}

async function endOf(backend: SpreadBackend, name: string, random: Random): Promise<void> {
  if (random.below(2) === 0) await backend.removeAll([name]);
  else await backend.moveAll([{ from: name, to: `${name}.moved` }]);
}

/** Whether the record says of an object what members have, and how much that is. */
async function requireRecorded(spread: MemorySpread, record: ShardPlaces, name: string, what: string): Promise<void> {
  const group = record.find(name);
  const ids = (await spread.holders(name)).map((at) => `d${at}`);
  assert.deepEqual([...(group?.places.values() ?? [])].sort(), ids.sort(), what);
  for (const [index, id] of group?.places ?? []) {
    const bytes = (await spread.stores[Number(id.slice(1))]?.real.get(name)) ?? Buffer.alloc(0);
    const header = parseShardHeader(bytes);
    assert.deepEqual(
      [header.index, header.generation, bytes.length],
      [index, group?.generation, group?.shardBytes],
      what,
    );
  }
}

test('any object, redundancy, losses it bears and range: the bytes are equal; one more loss: an error', async (t) => {
  const random = new Random(seedOfRun(t));
  const record = ShardPlaces.openWriter(join(temporaryFolder(t), 'shards.db'));
  t.after(() => record.close());
  for (let round = 0; round < ROUNDS; round += 1) {
    const scheme = random.pick(SCHEMES);
    const redundancy = parseRedundancy(scheme);
    // Now and then a group asks for this redundancy, and the datastore has another.
    const usual = random.below(3) === 0 ? random.pick(['single', 'mirror:2', 'ec:2+1']) : scheme;
    const heard: ShardChange[] = [];
    const hear = (news: ShardNews): void => void heard.push({ ...news, at: 0 });
    const change = { groupRedundancies: [redundancy], heard: hear };
    const places = Math.max(piecesOf(redundancy), piecesOf(parseRedundancy(usual))) + random.below(3);
    const spread = await MemorySpread.open(places, usual, change);
    const object = random.bytes(lengthOf(random));
    const what = `round ${round}: ${scheme}, ${object.length} bytes`;
    const name = `.chunks/${random.below(256)}/${round}`;
    await spread.backend.put(name, object);
    const { surplus } = await spread.backend.mender.mend(name, redundancy);
    await spread.backend.mender.removeSurplus(name, surplus);
    record.apply(heard.splice(0));
    await requireRecorded(spread, record, name, what);
    const holders = await spread.holders(name);
    for (let loss = 0; loss < toleranceOf(redundancy); loss += 1) {
      const [member] = holders.splice(random.below(holders.length), 1);
      await lose(spread, member as number, name, random);
    }
    // Another one, so that what is mended behind a read does not hide losses.
    const backend = spread.reopen(usual, {}, change);
    await backend.readRepair.pause();
    const offset = random.below(object.length + 10);
    const length = random.below(object.length + 10);
    const range = await backend.getRange(name, offset, length);
    assert.ok(range.equals(object.subarray(offset, offset + length)), `${what}, ${length} at ${offset}`);
    if (random.below(2) === 0) {
      assert.ok((await backend.get(name)).equals(object), what);
      assert.equal((await backend.mender.mend(name)).state, 'mended', what);
      assert.equal((await backend.mender.mend(name)).state, 'whole', what);
      record.apply(heard.splice(0));
      await requireRecorded(spread, record, name, what);
      await endOf(backend, name, random);
      record.apply(heard.splice(0));
      for (const left of [name, `${name}.moved`]) await requireRecorded(spread, record, left, what);
      continue;
    }
    const left = await spread.holders(name);
    const sound = left.filter((member) => holders.includes(member));
    for (const member of sound.slice(0, sound.length - redundancy.data + 1)) await lose(spread, member, name, random);
    await assert.rejects(spread.reopen(usual, {}, change).get(name), CairnError, what);
  }
});
