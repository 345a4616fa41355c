import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { PAYLOAD_HEADER_BYTES } from '../../archive/payload-items.js';
import { ArchiveReader } from '../../archive/reader.js';
import { payloadHeader } from '../../chunk/payload-header.js';
import { zeroChunkLength } from '../../chunk/zero-chunks.js';
import { sameDigest } from '../../core/digest.js';
import { CairnError } from '../../core/errors.js';
import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { payloadFileOf } from '../../index/archive-names.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { loadIndex } from '../../index/index-file.js';
import { sha256 } from '../../native/hash.js';
import { IndexStream, makeStreamCache, type StreamCache } from '../damage/index-stream.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { seededRandom } from './seeded-random.js';

export interface DrillOptions {
  /** How many files to restore. */
  readonly files: number;
  /** Which; below 2^32. */
  readonly seed: number;
}

export interface DrillFailure {
  /** Path in the mount. */
  readonly path: string;
  readonly reason: string;
}

export interface DrillReport {
  readonly seed: number;
  /** Files restored and compared, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  readonly failures: readonly DrillFailure[];
}

/** Tries to find a file for each one wanted: folders without any lead nowhere. */
const TRIES_PER_FILE = 50;
const LISTED_AT_ONCE = 1000;
const SUFFIXES = ['.mpxar.didx', '.pxar.didx'];

/** The tree of a snapshot, open for reading. */
interface DrillTree {
  /** Path of its folder in the mount. */
  readonly path: string;
  readonly archive: ArchiveReader;
  readonly payload: ChunkIndex;
  readonly stream: IndexStream;
}

/**
 * Restores files picked at random from the newest snapshots of all groups into a scratch folder, through the archives'
 * tables as a restore does, and compares what then lies there with the digests of the chunks it came from.
 */
export async function restoreDrill(context: CareContext, { files, seed }: DrillOptions): Promise<DrillReport> {
  const random = seededRandom(seed);
  const failures: DrillFailure[] = [];
  const trees = await openNewest(context, failures);
  let restored = 0;
  let bytes = 0;
  for (let tries = files * TRIES_PER_FILE; trees.length > 0 && restored < files && tries > 0; tries -= 1) {
    requireWanted(context.signal);
    const tree = trees[random(trees.length)] as DrillTree;
    const picked = await attempt(failures, tree.path, () => pickFile(tree, random));
    if (picked === undefined) continue;
    restored += 1;
    bytes += picked.entry.size;
    await attempt(failures, picked.path, () => restoreAndCompare(context, tree, picked.entry));
    context.progress({ step: 'restoring files', done: restored, total: files, unit: 'items' });
  }
  return { seed, files: restored, bytes, failures };
}

async function attempt<T>(failures: DrillFailure[], path: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CairnError) || error.kind !== 'corrupt') throw error;
    failures.push({ path, reason: error.message });
    return undefined;
  }
}

async function openNewest(context: CareContext, failures: DrillFailure[]): Promise<DrillTree[]> {
  const { catalog } = context;
  const trees: DrillTree[] = [];
  const cache = makeStreamCache();
  for (const { id, name } of catalog.groups.list()) {
    const newest = catalog.snapshots.newestFinished(id);
    if (newest === undefined) continue;
    const path = `${groupPath(name)}/${formatSnapshotTime(newest.time)}`;
    const names = newest.files.map((file) => file.name);
    const tree = await attempt(failures, path, () => openTree(context, cache, path, names));
    if (tree !== undefined) trees.push(tree);
  }
  return trees;
}

async function openTree(
  { store, chunks }: CareContext,
  cache: StreamCache,
  path: string,
  names: readonly string[],
): Promise<DrillTree | undefined> {
  const metadataName = SUFFIXES.map((suffix) => names.find((name) => name.endsWith(suffix))).find((name) => name);
  if (metadataName === undefined) return undefined;
  const load = async (name: string): Promise<ChunkIndex> => (await loadIndex(`${store}/${path}/${name}`)).index;
  const metadata = await load(metadataName);
  const payloadName = payloadFileOf(metadataName);
  const payload = payloadName === undefined ? metadata : await load(payloadName);
  const stream = new IndexStream(metadata, chunks, cache);
  const archive = await ArchiveReader.open({
    read: (offset, length) => stream.read(offset, length),
    size: metadata.contentLength,
    ...(payloadName !== undefined && { payloadSize: payload.contentLength }),
  });
  return { path, archive, payload, stream: new IndexStream(payload, chunks, cache) };
}

/** Goes down from the root, at each folder to any of its names, until it meets a file; undefined where it does not. */
async function pickFile(
  { path, archive }: DrillTree,
  random: (below: number) => number,
): Promise<{ path: string; entry: ArchiveEntry } | undefined> {
  let shown = path;
  for (let folder = archive.root; ; ) {
    const children = await archive.childCount(folder);
    if (children === 0) return undefined;
    let skip = random(children);
    let after = 0;
    let listed = await archive.list(folder, after, LISTED_AT_ONCE);
    while (skip >= listed.length && listed.length > 0) {
      skip -= listed.length;
      after = listed.at(-1)?.cookie as number;
      listed = await archive.list(folder, after, LISTED_AT_ONCE);
    }
    const child = listed[skip];
    if (child === undefined) return undefined;
    shown = `${shown}/${Buffer.from(child.name).toString()}`;
    if (child.entry.payload !== undefined) return { path: shown, entry: child.entry };
    if (child.entry.kind !== 'folder') return undefined;
    folder = child.entry.position;
  }
}

const NAME = 'restored';

/** A stretch of a file that comes from one chunk. */
interface Part {
  readonly position: number;
  /** In the file, and in the chunk. */
  readonly at: number;
  readonly from: number;
  readonly length: number;
}

async function restoreAndCompare(
  context: CareContext,
  tree: DrillTree,
  { payload, size }: ArchiveEntry,
): Promise<void> {
  if (payload === undefined) return;
  const { scratch, pace, signal } = context;
  const header = await tree.stream.read(payload.offset, PAYLOAD_HEADER_BYTES);
  if (!payloadHeader(size).equals(header)) throw new CairnError('corrupt', 'its payload has another length');
  try {
    for (const { position, at, from, length } of partsOf(tree.payload, payload.offset + PAYLOAD_HEADER_BYTES, size)) {
      requireWanted(signal);
      const chunk = await tree.stream.chunk(position);
      await scratch.write(NAME, at, chunk.subarray(from, from + length));
      await pace.spend(length, signal);
    }
    await scratch.setLength(NAME, size);
    for (const part of partsOf(tree.payload, payload.offset + PAYLOAD_HEADER_BYTES, size)) {
      requireWanted(signal);
      await compare(context, tree, part);
    }
  } finally {
    await scratch.remove(NAME);
  }
}

/** The parts of a file but its holes. */
function* partsOf(index: ChunkIndex, start: number, size: number): Generator<Part> {
  const end = start + size;
  if (size === 0) return;
  for (let i = index.chunkAt(start); i < index.count && index.start(i) < end; i += 1) {
    const from = Math.max(start, index.start(i));
    const length = Math.min(end, index.end(i)) - from;
    const isHole = zeroChunkLength(index.digest(i)) === index.end(i) - index.start(i);
    if (!isHole) yield { position: i, at: from - start, from: from - index.start(i), length };
  }
}

async function compare({ scratch }: CareContext, tree: DrillTree, { position, at, from, length }: Part): Promise<void> {
  const restored = await scratch.read(NAME, at, length);
  const { payload } = tree;
  const isWhole = from === 0 && length === payload.end(position) - payload.start(position);
  const same = isWhole
    ? sameDigest(await sha256(restored), payload.digest(position))
    : Buffer.compare(restored, (await tree.stream.chunk(position)).subarray(from, from + length)) === 0;
  if (!same) throw new CairnError('corrupt', `what was restored differs at byte ${at}`);
}
