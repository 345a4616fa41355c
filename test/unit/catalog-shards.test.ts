import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { ShardPlaces } from '../../src/catalog/shard-places.js';
import { parseRedundancy, piecesOf, sameRedundancy } from '../../src/core/redundancy.js';
import type { ShardChange, ShardGroup, ShardNews } from '../../src/core/shard-group.js';
import { discardShards, openShardReader, openShardWriter } from '../../src/datastore/shard-file.js';
import { ShardRecord } from '../../src/datastore/shard-record.js';
import { Random, seedOfRun } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const BACKENDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const SCHEMES = ['single', 'mirror:2', 'ec:2+1', 'ec:4+2'];

function opened(t: TestContext): { places: ShardPlaces; path: string } {
  const path = join(temporaryFolder(t), 'shards.db');
  const places = ShardPlaces.openWriter(path);
  t.after(() => places.close());
  return { places, path };
}

function groupOf(scheme: string, backends: readonly string[], change: Partial<ShardGroup> = {}): ShardGroup {
  const places = new Map(backends.map((id, index) => [index, id]));
  return { redundancy: parseRedundancy(scheme), generation: 1, objectBytes: 4000, shardBytes: 1000, places, ...change };
}

function seen(name: string, group: ShardGroup | undefined, silent: readonly string[] = [], at = 0): ShardChange {
  return { kind: 'seen', name, group, silent, at };
}

function news(name: string, group: ShardGroup): ShardNews {
  return { kind: 'seen', name, group, silent: [] };
}

/** The same, said by maps in memory. */
class Model {
  readonly groups = new Map<string, ShardGroup>();

  apply(change: ShardChange): void {
    if (change.kind === 'seen') {
      this.#put(change.name, merged(this.groups.get(change.name), change));
      return;
    }
    const before = this.groups.get(change.from);
    if (before === undefined) return;
    const onSilent = (id: string): boolean => change.silent.includes(id);
    this.#put(change.from, only(before, onSilent));
    this.#put(
      change.to,
      only(before, (id) => !onSilent(id)),
    );
  }

  held(): Map<string, { shards: number; bytes: number }> {
    const held = new Map<string, { shards: number; bytes: number }>();
    for (const { places, shardBytes } of this.groups.values()) {
      for (const id of places.values()) {
        const { shards, bytes } = held.get(id) ?? { shards: 0, bytes: 0 };
        held.set(id, { shards: shards + 1, bytes: bytes + shardBytes });
      }
    }
    return held;
  }

  layouts(): Map<string, number> {
    const layouts = new Map<string, number>();
    for (const { places, redundancy } of this.groups.values()) {
      const key = `${redundancy.data}: ${[...places.values()].sort().join(' ')}`;
      layouts.set(key, (layouts.get(key) ?? 0) + 1);
    }
    return layouts;
  }

  #put(name: string, group: ShardGroup | undefined): void {
    if (group === undefined || group.places.size === 0) this.groups.delete(name);
    else this.groups.set(name, group);
  }
}

function only(group: ShardGroup, keep: (id: string) => boolean): ShardGroup {
  return { ...group, places: new Map([...group.places].filter(([, id]) => keep(id))) };
}

function merged(before: ShardGroup | undefined, change: ShardChange & { kind: 'seen' }): ShardGroup | undefined {
  const kept = before && only(before, (id) => change.silent.includes(id));
  if (change.group === undefined || kept === undefined) return change.group ?? kept;
  const { generation, redundancy } = change.group;
  if (kept.generation !== generation || !sameRedundancy(kept.redundancy, redundancy)) return change.group;
  return { ...change.group, places: new Map([...kept.places, ...change.group.places]) };
}

function randomChange(random: Random): ShardChange {
  const nameOf = (): string => `.chunks/${random.below(4)}/${random.below(12)}`;
  const silent = BACKENDS.filter(() => random.below(8) === 0);
  const kind = random.below(10);
  if (kind === 0) return { kind: 'moved', from: nameOf(), to: `moved/${random.below(20)}`, silent, at: 0 };
  if (kind < 3) return seen(random.below(4) === 0 ? `moved/${random.below(20)}` : nameOf(), undefined, silent);
  const scheme = random.pick(SCHEMES);
  const free = BACKENDS.filter((id) => !silent.includes(id));
  const places = new Map<number, string>();
  for (let index = 0; index < piecesOf(parseRedundancy(scheme)) && free.length > 0; index += 1) {
    const [id] = free.splice(random.below(free.length), 1);
    if (random.below(6) > 0) places.set(index, id as string);
  }
  const change = {
    places,
    generation: random.below(3),
    objectBytes: random.below(9999),
    shardBytes: random.below(999),
  };
  return seen(nameOf(), groupOf(scheme, [], change), silent);
}

test('what was heard is what is told, and counters go up and down with it', (t) => {
  const random = new Random(seedOfRun(t));
  const { places, path } = opened(t);
  const model = new Model();
  for (let round = 0; round < 150; round += 1) {
    const changes = Array.from({ length: random.below(12) }, () => randomChange(random));
    places.apply(changes);
    changes.forEach((change) => {
      model.apply(change);
    });
    const reader = ShardPlaces.openReader(path);
    const told = new Map(
      ['.chunks/0', '.chunks/1', '.chunks/2', '.chunks/3', 'moved'].flatMap((in_) => [...reader.below(in_)]),
    );
    assert.deepEqual(told, new Map([...model.groups].map(([name, group]) => [name, inOrder(group)])), `round ${round}`);
    const held = [...reader.held()].filter(([, { shards }]) => shards > 0);
    assert.deepEqual(new Map(held), model.held(), `round ${round}`);
    const layouts = reader
      .layouts()
      .map(({ data, backends, objects }) => [`${data}: ${[...backends].sort().join(' ')}`, objects]);
    assert.deepEqual(new Map(layouts as [string, number][]), model.layouts(), `round ${round}`);
    reader.close();
  }
  for (const name of model.groups.keys()) places.apply([seen(name, undefined)]);
  assert.deepEqual(places.layouts(), []);
  assert.ok([...places.held().values()].every(({ shards, bytes }) => shards === 0 && bytes === 0));
});

function inOrder(group: ShardGroup): ShardGroup {
  return { ...group, places: new Map([...group.places].sort(([a], [b]) => a - b)) };
}

test('after everything was compared the counters are right, whatever they were', (t) => {
  const { places, path } = opened(t);
  places.apply([seen('.chunks/a9/1', groupOf('mirror:2', ['a', 'b'])), seen('.chunks/a9/2', groupOf('single', ['b']))]);
  const [held, layouts] = [places.held(), places.layouts()];
  const other = new Database(path);
  other.exec(
    "UPDATE backends SET shards = 77, bytes = -5; DELETE FROM layouts; INSERT INTO layouts VALUES (1, '2 1', 9)",
  );
  other.close();
  assert.notDeepEqual(places.held(), held);
  places.setCompared(5);
  assert.deepEqual([places.held(), places.layouts(), places.comparedAt()], [held, layouts, 5]);
});

test('what was heard before counts no more, though it is told later', (t) => {
  const { places } = opened(t);
  const [name, other] = ['.chunks/a9/1', '.chunks/a9/2'];
  const group = groupOf('mirror:2', ['a', 'b']);
  const held = (): unknown[] => [...places.held()].map(([id, { shards }]) => [id, shards]);
  places.apply([seen(name, group, [], 5), seen(name, groupOf('mirror:2', ['c']), [], 4)]);
  assert.deepEqual(places.find(name), group);
  places.apply([{ kind: 'moved', from: name, to: other, silent: [], at: 8 }]);
  places.apply([seen(name, group, [], 7), seen(other, undefined, [], 7)]);
  assert.equal(places.find(name), undefined);
  assert.deepEqual(places.find(other), group);
  places.apply([seen(name, group, [], 9)]);
  assert.deepEqual(held(), [
    ['a', 2],
    ['b', 2],
  ]);
  places.apply([seen(name, undefined, [], 9), seen(other, undefined, [], 100_000)]);
  // That is long enough ago.
  places.apply([seen(name, group, [], 8)]);
  assert.deepEqual(places.find(name), group);
});

test('the record is found by its indexes', (t) => {
  const { places, path } = opened(t);
  const database = new Database(path, { readonly: true });
  t.after(() => database.close());
  assert.ok(places.statements.length > 8);
  for (const { sql, use } of places.statements) {
    const blanks = Array.from(sql.matchAll(/\?/g), () => null);
    const plan = database.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(blanks);
    const costly = plan.map(({ detail }) => detail).filter((step) => /^SCAN (?!CONSTANT ROW)|TEMP B-TREE/.test(step));
    // Rows of these are as many as there are backends, or combinations of them.
    const isSmall = /FROM (backends|layouts)$|^UPDATE backends SET shards = 0/.test(sql);
    const isRecount = /^SELECT data, places, shard_bytes FROM shard_groups$/.test(sql);
    assert.ok(costly.length === 0 || ((isSmall || isRecount) && use === 'background'), `${sql}\n${costly.join('\n')}`);
  }
});

test('a record that is damaged or of another version is begun anew', (t) => {
  const folder = join(temporaryFolder(t), 'shards');
  assert.equal(openShardReader(folder), undefined);
  mkdirSync(folder);
  const [first, second] = [join(folder, '1.db'), join(folder, '2.db')];
  writeFileSync(first, 'no database, and longer than a header of a hundred bytes would be: '.repeat(9));
  const record = new ShardRecord(folder);
  assert.equal(
    record.read((places) => places.held()),
    undefined,
  );
  record.note(news('.chunks/a9/1', groupOf('mirror:2', ['a', 'b'])));
  record.flush();
  assert.deepEqual(
    record.read((places) => places.held()),
    new Map([
      ['a', { shards: 1, bytes: 1000 }],
      ['b', { shards: 1, bytes: 1000 }],
    ]),
  );
  record.compared(77);
  assert.equal(
    record.read((places) => places.comparedAt()),
    77,
  );
  record.close();
  assert.deepEqual(readdirSync(folder), ['2.db']);
  const newer = new Database(second);
  newer.pragma('user_version = 99');
  newer.close();
  const { places } = openShardWriter(folder);
  assert.equal(places.held().size, 0);
  assert.equal(places.comparedAt(), undefined);
  places.close();
});

test('damage that is found later begins it anew, too', (t) => {
  const folder = join(temporaryFolder(t), 'shards');
  const names = Array.from({ length: 500 }, (_, at) => `.chunks/a9/${at}`);
  const first = openShardWriter(folder).places;
  first.apply(names.map((name) => seen(name, groupOf('single', ['a']))));
  first.close();
  const path = join(folder, '1.db');
  const bytes = readFileSync(path);
  const rootPages = 4096 * 8;
  writeFileSync(path, Buffer.concat([bytes.subarray(0, rootPages), Buffer.alloc(bytes.length - rootPages, 0xee)]));
  const record = new ShardRecord(folder);
  t.after(() => record.close());
  for (const name of names) record.note(news(name, groupOf('single', ['b'])));
  for (let tries = 0; tries < 10; tries += 1) record.flush();
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.db')),
    ['2.db'],
  );
  assert.deepEqual(
    [...(record.read((places) => places.held()) ?? [])].map(([id]) => id),
    ['b'],
  );
});

test('who cannot write the record waits, and who finds a newer one goes on there', (t) => {
  const folder = join(temporaryFolder(t), 'shards');
  const { places, number } = openShardWriter(folder);
  const record = new ShardRecord(folder);
  t.after(() => record.close());
  const other = new Database(join(folder, `${number}.db`));
  other.exec('BEGIN IMMEDIATE');
  record.note(news('.chunks/a9/1', groupOf('single', ['a'])));
  record.flush();
  assert.equal(places.held().size, 0);
  assert.equal(record.problem(), undefined);
  other.exec('ROLLBACK');
  other.close();
  record.flush();
  assert.deepEqual(places.held().get('a'), { shards: 1, bytes: 1000 });
  discardShards(folder);
  record.note(news('.chunks/a9/2', groupOf('single', ['b'])));
  record.flush();
  places.close();
  assert.deepEqual(
    record.read((read) => [...read.held().keys()]),
    ['b'],
  );
  assert.ok(readdirSync(folder).includes(`${number + 1}.db-wal`), 'the log of the new one stays');
});

test('a disk that takes nothing keeps nobody waiting', (t) => {
  const path = join(temporaryFolder(t), 'file', 'shards');
  writeFileSync(dirname(path), '');
  const record = new ShardRecord(path);
  record.note(news('.chunks/a9/1', groupOf('single', ['a'])));
  record.flush();
  assert.match(record.problem() ?? '', /record of where pieces are/);
  assert.equal(existsSync(path), false);
  rmSync(dirname(path));
  record.note(news('.chunks/a9/2', groupOf('single', ['a'])));
  record.flush();
  assert.match(record.problem() ?? '', /could not be recorded/, 'the first one is lost');
  const other = new ShardRecord(path);
  other.compared(Math.ceil(Date.now() / 1000) + 1);
  other.close();
  assert.equal(record.problem(), undefined, 'another thread has compared');
  record.close();
});

test('nothing is made before something is put', (t) => {
  const folder = temporaryFolder(t);
  const record = new ShardRecord(join(folder, 'shards.db'));
  assert.equal(
    record.read((places) => places.layouts()),
    undefined,
  );
  record.close();
  assert.equal(statSync(join(folder, 'shards.db'), { throwIfNoEntry: false }), undefined);
});
