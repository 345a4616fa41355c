import { ChunkError } from '../../../src/chunkstore/chunk-error.js';
import { parseQuarantineName, QUARANTINE_FOLDER } from '../../../src/chunkstore/layout.js';
import { Quarantine } from '../../../src/chunkstore/quarantine.js';
import { beginSweep } from '../../../src/chunkstore/removal.js';
import { setAside } from '../../../src/chunkstore/set-aside.js';
import { ChunkSink } from '../../../src/content/chunk-sink.js';
import { type Digest, digestHex } from '../../../src/core/digest.js';
import { kindOf } from '../../../src/core/errors.js';
import { overlapping } from '../../../src/maintenance/gc/sweeper.js';
import { encodeBlobSync } from '../../../src/native/blob.js';
import { HoldScope } from '../../../src/native/holds.js';
import type { ModelChange } from './model-catalog.js';
import { CHUNKS, chunkOf, isIntact, type ModelChunk, type World } from './world.js';

/** Numbers for files and snapshots, and what the actors did: a run in which nothing happens proves nothing. */
export class Doings {
  readonly counts = new Map<string, number>();
  #numbers = 0;

  next(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  did(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }
}

/** Bytes of a chunk where a draft is expected. */
function draftOf({ bytes }: ModelChunk): never {
  return {
    encode: async (_start: number, _end: number, out: Uint8Array, level: number) => encodeBlobSync(bytes, out, level),
  } as never;
}

function store(sink: ChunkSink, chunk: ModelChunk) {
  return sink.store(draftOf(chunk), 0, chunk.bytes.length, chunk.digest);
}

function make(world: World, change: ModelChange): void {
  world.log.make(change as never);
}

function quarantined({ disk }: World): { digest: Digest; since: number }[] {
  return disk.names(QUARANTINE_FOLDER).flatMap((name) => parseQuarantineName(name) ?? []);
}

/**
 * What a new reference names has to stand there, whole. Where the disk went bad nobody can know before a verification.
 */
function requireUsable(world: World, chunk: ModelChunk): void {
  const content = world.disk.at(chunk.name);
  if (isIntact(chunk, content) || content?.rotten === true) return;
  // It went bad under the writer's hands and was set aside.
  if (content === undefined && world.excused.has(digestHex(chunk.digest))) return;
  throw new Error(`A reference to a chunk was made that is ${content === undefined ? 'not there' : 'torn'}`);
}

/** A file is written: its chunk is stored, then named. Now and then nothing comes of it. */
export async function writer(world: World, doings: Doings): Promise<void> {
  const chunk = world.random.pick(world.pool);
  await store(world.sink, chunk);
  await world.turns.point();
  if (world.random.below(6) === 0) {
    world.sink.release(chunk.digest);
    return;
  }
  requireUsable(world, chunk);
  make(world, { kind: 'name', file: doings.next(), digest: chunk.digest });
  world.sink.named(chunk.digest);
  doings.did('written');
}

/** A small file's content was seen before: its piece is looked up first, its chunk held and looked at then. */
export async function packer(world: World, doings: Doings): Promise<void> {
  const chunk = world.random.pick(world.pool);
  const known = () => world.knowledge().findPresent(chunk.digest)?.stored;
  if (known() === undefined) return;
  world.chunks.hold(chunk.digest);
  const usable = (await world.chunks.reuse(chunk.digest, known)) !== undefined;
  await world.turns.point();
  if (usable) {
    requireUsable(world, chunk);
    make(world, { kind: 'name', file: doings.next(), digest: chunk.digest });
    doings.did('packed');
  }
  world.sink.named(chunk.digest);
}

/** A file is cloned, from another file or from a snapshot that stands in this very step. */
export async function copier(world: World, doings: Doings): Promise<void> {
  const { open } = world.catalog;
  const file = world.random.below(2) === 0 ? pickOf(world, open.files.keys()) : undefined;
  const snapshot = pickOf(world, open.sets.keys());
  await world.turns.point();
  const ids = file === undefined ? pickOf(world, open.sets.get(snapshot ?? -1) ?? []) : open.files.get(file);
  const source = CHUNKS.find(({ digest }) => open.find(digest) !== undefined && open.idOf(digest) === ids);
  if (source === undefined) return;
  make(world, { kind: 'name', file: doings.next(), digest: source.digest });
  doings.did('copied');
}

export async function deleter(world: World, doings: Doings): Promise<void> {
  const file = pickOf(world, world.catalog.open.files.keys());
  await world.turns.point();
  if (file === undefined || !world.catalog.open.files.has(file)) return;
  make(world, { kind: 'drop', file });
  doings.did('deleted');
}

/** What upkeep does now and then. */
export async function committer(world: World, doings: Doings): Promise<void> {
  const kind = world.random.below(3);
  if (kind === 0) await world.durability.barrier();
  else if (kind === 1) await world.durability.commit();
  else await world.durability.commitDurably();
  doings.did('committed');
}

/** A collector: everything on the disk that the mark does not have goes. */
export async function collector(world: World, doings: Doings): Promise<void> {
  const backend = world.makeBackend();
  const since = world.clock.now().seconds;
  const parts = { backend, prefixDigits: 2 as const, states: world.states, since, filesPerStep: 1 };
  let sweep: ReturnType<typeof beginSweep>;
  try {
    sweep = beginSweep(parts, world.sweepGuards());
  } catch (error) {
    if (kindOf(error) !== 'busy') throw error;
    return;
  }
  try {
    const marked = await world.mark((open) => sweep.mark(open));
    const garbage: Digest[] = [];
    for await (const name of backend.list('.chunks')) {
      const key = name.slice(name.lastIndexOf('/') + 1);
      if (!name.endsWith('.bad') && !marked.has(key)) garbage.push(chunkOf(key).digest);
    }
    await overlapping(batchesOf(world, garbage), async (batch) => {
      const kind = world.random.below(3) === 0 ? 'delete' : 'quarantine';
      const removal = await sweep.remove(batch, kind);
      doings.did('removed', removal.removed.length);
      doings.did('spared', removal.held.length);
    });
  } finally {
    await sweep.end();
  }
  doings.did('swept');
}

function* batchesOf(world: World, garbage: Digest[]): Generator<readonly Digest[]> {
  while (garbage.length > 0) yield garbage.splice(0, world.random.between(1, 3));
}

/** Quarantined chunks come back or go for good. */
export async function quarantiner(world: World, doings: Doings): Promise<void> {
  const parts = { backend: world.makeBackend(), prefixDigits: 2 as const, states: world.states };
  const quarantine = new Quarantine(parts, world.guards(world.holds));
  const there = quarantined(world);
  const chunk = world.random.pick([undefined, ...there]);
  if (chunk === undefined) return;
  if (world.random.below(2) === 0) {
    const { chunks } = await quarantine.expire(await quarantine.weigh(there.slice(there.indexOf(chunk))));
    doings.did('expired', chunks);
    return;
  }
  try {
    doings.did(await quarantine.undelete(chunk));
  } catch (error) {
    if (!(error instanceof ChunkError) && kindOf(error) !== 'not-found') throw error;
  }
}

/** Reads what is known to be present, and sets aside what is not as it should be. */
export async function verifier(world: World, doings: Doings): Promise<void> {
  const chunk = world.random.pick(world.pool);
  if (world.catalog.open.find(chunk.digest)?.state !== 'present') return;
  const backend = world.makeBackend();
  const chunks = world.makeStore(backend, world.holds);
  try {
    await chunks.read(chunk.digest);
  } catch (error) {
    if (!(error instanceof ChunkError)) throw error;
    const parts = { backend, prefixDigits: 2 as const, chunks, states: world.states };
    doings.did(`set aside: ${(await setAside(parts, chunk.digest, world.guards(world.holds))).kind}`);
  }
}

/** A snapshot: a picture, chunks of metadata, a file packed anew, an index, the row. Jobs may die on the way. */
export async function snapshotJob(world: World, doings: Doings): Promise<void> {
  const close = await world.openPicture();
  const holds = HoldScope.open();
  world.scopes.add(holds);
  try {
    await runJob(world, doings, holds);
  } catch (error) {
    if (!(error instanceof JobDied)) throw error;
    await world.durability.commitDurably();
    doings.did('jobs died');
  } finally {
    holds.end();
    world.scopes.delete(holds);
    close();
  }
}

class JobDied extends Error {}

async function runJob(world: World, doings: Doings, holds: HoldScope): Promise<void> {
  const { random, turns, durability } = world;
  let picture = world.catalog.committed;
  await durability.commitWith({
    before: () => undefined,
    after: async () => {
      await turns.point();
      picture = world.catalog.committed;
    },
  });
  const backend = world.makeBackend();
  const chunks = world.makeStore(backend, holds);
  const written: Digest[] = [];
  const sink = new ChunkSink(chunks, world.jobKnowledge(picture, written));
  const listed = new Set<string>(picture.named());
  const file = pickOf(world, picture.files.keys());
  for (let count = random.between(1, 2); count > 0; count -= 1) {
    const chunk = random.pick(world.pool);
    await store(sink, chunk);
    requireUsable(world, chunk);
    listed.add(digestHex(chunk.digest));
    await turns.point();
    if (random.below(10) === 0) throw new JobDied();
  }
  await syncedByJob(backend);
  const [first] = listed;
  const old = CHUNKS.find(
    ({ digest }) => file !== undefined && picture.find(digest) && picture.idOf(digest) === picture.files.get(file),
  );
  if (file !== undefined && old !== undefined && first !== undefined && world.catalog.open.files.has(file)) {
    make(world, { kind: 'name', file, digest: chunkOf(first).digest, ifDigest: old.digest });
  }
  await turns.point();
  for (const digest of written) world.catalog.open.setPresent(digest);
  const ids = new Set([...listed].map((key) => world.catalog.open.idOf(chunkOf(key).digest)));
  world.catalog.open.sets.set(doings.next(), ids);
  await durability.commitDurably();
  doings.did('snapshots');
}

/** What the disk lost under the job's feet ends the job, and nothing else. */
async function syncedByJob(backend: { sync(): Promise<void> }): Promise<void> {
  try {
    await backend.sync();
  } catch (error) {
    throw new JobDied('', { cause: error });
  }
}

export async function forgetter(world: World, doings: Doings): Promise<void> {
  const snapshot = pickOf(world, world.catalog.open.sets.keys());
  await world.turns.point();
  if (snapshot === undefined || !world.catalog.open.sets.delete(snapshot)) return;
  await world.durability.commitDurably();
  doings.did('forgotten');
}

function pickOf(world: World, items: Iterable<number>): number | undefined {
  const all = [...items];
  return all.length === 0 ? undefined : world.random.pick(all);
}
