import { BucketCollection } from '../../../src/datastore/shared/bucket-collection.js';
import { KnownElsewhere } from '../../../src/datastore/shared/known-elsewhere.js';
import { revokedUnits } from '../../../src/datastore/shared/machine-epochs.js';
import type { Session } from '../../../src/datastore/shared/membership.js';
import { namesBelow } from '../../../src/datastore/shared/shared-objects.js';
import { CHUNKS_FOLDER, chunkName, digestOf, KEYS, keysOf, type Machine } from './model-machine.js';

export type Actor = (machine: Machine) => Promise<void>;

/** A file is written; its chunk is stored here. */
async function writer({ parts: { disk, random } }: Machine): Promise<void> {
  const key = random.pick(KEYS);
  if (!disk.chunks.has(key)) disk.chunks.set(key, { uploaded: false });
  disk.files.set(disk.next++, key);
}

async function deleter({ parts: { disk, random } }: Machine): Promise<void> {
  const file = random.pick([...disk.files.keys(), undefined]);
  if (file !== undefined) disk.files.delete(file);
}

/** The collection of the machine's own folder. */
async function sweeper({ parts: { disk, did }, held }: Machine): Promise<void> {
  const named = disk.named();
  for (const key of [...disk.chunks.keys()]) {
    if (named.has(key) || held.has(key)) continue;
    disk.chunks.delete(key);
    did('forgotten here');
  }
}

function ticker(machine: Machine): Promise<void> {
  return alone(machine, ['ticking'], () => machine.membership.tick());
}

/** As the end of a mount; the next tick is the beginning of another. */
function leaver(machine: Machine): Promise<void> {
  return alone(machine, ['ticking', 'preparing', 'collecting'], async () => {
    machine.parts.did('left');
    await machine.membership.leave();
  });
}

function preparer(machine: Machine): Promise<void> {
  return alone(machine, ['preparing', 'collecting'], () => machine.membership.prepare());
}

async function uploader(machine: Machine): Promise<void> {
  const { session } = machine.membership;
  const { chunks } = machine.parts.disk;
  if (session === undefined) return;
  for (const [key, { uploaded }] of [...chunks]) {
    if (!uploaded && chunks.has(key)) await upload(machine, session, key);
  }
}

/** Held, the chunk is not forgotten here meanwhile. */
async function upload(machine: Machine, session: Session, key: string): Promise<void> {
  const { held, parts, objects } = machine;
  const digest = digestOf(key);
  held.set(key, (held.get(key) ?? 0) + 1);
  try {
    if (machine.knowsElsewhere(session, digest)) parts.did('known elsewhere');
    else if (machine.mayUse(session, digest)) {
      await objects.put(chunkName(key), Buffer.from(key));
      parts.did('uploaded');
    } else return;
    const chunk = parts.disk.chunks.get(key);
    if (chunk !== undefined && machine.mayNote(session)) chunk.uploaded = true;
  } finally {
    const left = (held.get(key) ?? 1) - 1;
    if (left === 0) held.delete(key);
    else held.set(key, left);
  }
}

async function snapshotter({ parts: { disk, random, id, did } }: Machine): Promise<void> {
  const keys = [...new Set(disk.files.values())];
  if (keys.length === 0) return;
  const some = keys.filter(() => random.below(2) === 0);
  disk.snapshots.set(`host/${id}/${disk.next++}/index.json.blob`, { keys: some, published: false });
  did('snapshots');
}

async function publisher(machine: Machine): Promise<void> {
  const { disk, random, did, id } = machine.parts;
  const { session } = machine.membership;
  if (session === undefined) return;
  const ready = [...disk.snapshots].filter(
    ([, { keys, published }]) => !published && keys.every((key) => disk.chunks.get(key)?.uploaded),
  );
  const [unit, snapshot] = random.pick([...ready, []]);
  if (unit === undefined || snapshot === undefined) return;
  const { objects } = machine;
  await alone(machine, [unit], async () => {
    await machine.takeGroup(session.lease, `host/${id}`);
    await machine.publish(session, unit, () => objects.put(unit, Buffer.from(JSON.stringify(snapshot.keys))));
    if (!machine.mayNote(session) || disk.snapshots.get(unit) !== snapshot) return;
    snapshot.published = true;
    did('published');
  });
}

/** Wants to write to the group that all want. */
async function claimer(machine: Machine): Promise<void> {
  const { session } = machine.membership;
  if (session === undefined) return;
  await alone(machine, ['claiming'], async () => {
    await machine.takeGroup(session.lease, 'vm/all');
    machine.wroteIn = session.lease.epoch;
    machine.parts.did('claimed');
  });
}

/** A snapshot is forgotten; what was published of it goes too. */
async function forgetter(machine: Machine): Promise<void> {
  const { disk, random, did } = machine.parts;
  const { session } = machine.membership;
  const unit = random.pick([...disk.snapshots.keys(), undefined]);
  if (session === undefined || unit === undefined) return;
  await alone(machine, [unit], async () => {
    await session.lease.withdraw([unit], () => machine.objects.removeAll([unit]));
    disk.snapshots.delete(unit);
    disk.withdrawn.add(unit);
    did('withdrawn');
  });
}

/** Marks of what nothing brings back go. */
async function unmarker(machine: Machine): Promise<void> {
  const { session } = machine.membership;
  if (session === undefined) return;
  await alone(machine, ['unmarking'], async () => {
    machine.parts.did('marks removed', await session.lease.removeMarks(machine.settleSeconds()));
  });
}

async function refresher(machine: Machine): Promise<void> {
  const { session } = machine.membership;
  if (session === undefined) return;
  if (machine.known?.of !== session) {
    machine.known = { of: session, elsewhere: new KnownElsewhere(session.answers) };
  }
  await machine.known.elsewhere.refresh(async () => {
    const keys = await publishedKeys(machine);
    machine.sawElsewhere(keys);
    return keys;
  });
}

async function publishedKeys(machine: Machine): Promise<Set<string>> {
  const units = await namesBelow(machine.objects, 'host');
  const revoked = await revokedUnits(machine.objects);
  const found = new Set<string>();
  for (const unit of units) {
    if (revoked.has(unit)) continue;
    for (const key of await keysOf(machine.objects, unit)) found.add(key);
  }
  return found;
}

async function collector(machine: Machine): Promise<void> {
  const { session } = machine.membership;
  if (session === undefined) return;
  await alone(machine, ['collecting', 'preparing'], async () => {
    const collection = new BucketCollection({
      ...machine.roundParts(session.lease),
      roots: () => machine.roots(),
      chunks: () => chunksThere(machine),
      atOnce: 100,
      progress: () => undefined,
    });
    const { deleted, kept } = await collection.run();
    machine.parts.did('collections');
    machine.parts.did('deleted', deleted);
    machine.parts.did('kept', kept);
  });
}

async function* chunksThere({ objects }: Machine) {
  for (const name of await namesBelow(objects, CHUNKS_FOLDER)) {
    yield { digest: digestOf(name.slice(CHUNKS_FOLDER.length + 1)), name };
  }
}

/** Does nothing where any of the things is being done. */
async function alone(machine: Machine, things: readonly string[], work: () => Promise<void>): Promise<void> {
  const [thing] = things;
  if (thing === undefined || things.some((other) => machine.doing.has(other))) return;
  machine.doing.add(thing);
  try {
    await work();
  } finally {
    machine.doing.delete(thing);
  }
}

/** All actors, by name. */
export const ACTORS: Readonly<Record<string, Actor>> = {
  ...{
    writer,
    deleter,
    sweeper,
    uploader,
    snapshotter,
    publisher,
    forgetter,
    unmarker,
    claimer,
    refresher,
    collector,
    preparer,
    ticker,
    leaver,
  },
};
