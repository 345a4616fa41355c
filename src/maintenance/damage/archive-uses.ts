import { AttributesReader } from '../../archive/attributes-reader.js';
import { PAYLOAD_HEADER_BYTES } from '../../archive/payload-items.js';
import { ArchiveReader } from '../../archive/reader.js';
import { ChunkSet } from '../../catalog/chunk-set.js';
import type { Snapshot } from '../../catalog/snapshots.js';
import { payloadHeader } from '../../chunk/payload-header.js';
import { kindOf } from '../../core/errors.js';
import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { ATTRIBUTES_NAME, indexKindOfName, payloadFileOf } from '../../index/archive-names.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { loadIndex } from '../../index/index-file.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { type WalkedEntry, walkArchive } from './archive-walk.js';
import { type BadRange, BadRanges } from './bad-ranges.js';
import type { ChunkUse, WantedChunks } from './chunk-use.js';
import { IndexStream, makeStreamCache, type StreamCache } from './index-stream.js';
import { OtherNames } from './other-names.js';

/** A snapshot that is looked through. */
interface Looked {
  readonly context: CareContext;
  readonly wanted: WantedChunks;
  readonly cache: StreamCache;
  readonly group: string;
  /** Path of its folder in the store and in the mount. */
  readonly path: string;
}

const WHOLE_SUFFIX = '.pxar.didx';
const METADATA_SUFFIX = '.mpxar.didx';
const IMAGE_SUFFIX = '.img.fidx';

/** What finished snapshots need of the chunks. Only those whose sets have one of them are looked through. */
export async function* archiveUses(context: CareContext, wanted: WantedChunks): AsyncGenerator<ChunkUse> {
  const { catalog, signal } = context;
  const set = new ChunkSet();
  catalog.sets.addKnown(set, wanted.digests);
  const cache = makeStreamCache();
  try {
    for (const { id, name } of catalog.groups.list()) {
      for (const snapshot of catalog.snapshots.list(id)) {
        requireWanted(signal);
        if (snapshot.state !== 'finished') continue;
        const path = `${groupPath(name)}/${formatSnapshotTime(snapshot.time)}`;
        const looked = { context, wanted, cache, group: groupPath(name), path };
        if (mayUse(context, set, path, snapshot)) yield* usesOfSnapshot(looked, snapshot);
      }
    }
  } finally {
    set.dispose();
  }
}

/** Whether any index file of the snapshot names one of the chunks, as far as its recorded sets tell. */
function mayUse({ catalog }: CareContext, set: ChunkSet, path: string, { files }: Snapshot): boolean {
  return indexNames(files).some((name) => {
    const recorded = catalog.sets.find(`${path}/${name}`);
    if (recorded?.kind !== 'whole') return true;
    const common = recorded.value.common(set);
    const any = common.size > 0;
    common.dispose();
    recorded.value.dispose();
    return any;
  });
}

function indexNames(files: Snapshot['files']): string[] {
  return files.map(({ name }) => name).filter((name) => indexKindOfName(name) !== undefined);
}

async function* usesOfSnapshot(looked: Looked, { files }: Snapshot): AsyncGenerator<ChunkUse> {
  const indexes = new Map<string, ChunkIndex>();
  for (const name of indexNames(files)) {
    const index = await indexOf(looked, name);
    if (index !== undefined) indexes.set(name, index);
  }
  for (const [name, index] of indexes) {
    if (name.endsWith('.ppxar.didx')) continue;
    const ranges = new BadRanges(index, looked.wanted);
    if (name.endsWith(METADATA_SUFFIX)) {
      const payload = indexes.get(payloadFileOf(name) ?? '');
      const attributes = indexes.get(ATTRIBUTES_NAME);
      yield* usesOfTree(looked, { name, index, payload, attributes }, ranges);
    } else if (name.endsWith(WHOLE_SUFFIX)) yield* usesOfTree(looked, { name, index }, ranges);
    else yield* usesOfStream(looked, name, ranges);
  }
}

/** What cannot be read is told of by the verification of the snapshot; here it names nothing. */
async function indexOf({ context, path }: Looked, name: string): Promise<ChunkIndex | undefined> {
  try {
    return (await loadIndex(`${context.store}/${path}/${name}`)).index;
  } catch (error) {
    if (kindOf(error) === 'corrupt' || kindOf(error) === 'not-found') return undefined;
    throw error;
  }
}

/** An image is a file of the snapshot; of other streams nothing smaller can be named. */
function* usesOfStream({ group, path }: Looked, name: string, ranges: BadRanges): Generator<ChunkUse> {
  const isImage = name.endsWith(IMAGE_SUFFIX);
  const file = name.replace(/\.[fd]idx$/, '');
  const shown = isImage ? `${path}/${file}` : `${path} (${file})`;
  for (const { start, end, digest } of ranges.all) {
    const use = { digest, at: 0, length: end - start, shown };
    yield isImage ? { ...use, file: { group, path: Buffer.from(file), offset: start } } : use;
  }
}

/** The index files of a tree. */
interface LookedTree {
  readonly name: string;
  readonly index: ChunkIndex;
  /** Of the payload stream; undefined where the archive holds the payload itself. */
  readonly payload?: ChunkIndex | undefined;
  readonly attributes?: ChunkIndex | undefined;
}

async function* usesOfTree(
  looked: Looked,
  { name, index, payload, attributes }: LookedTree,
  metadata: BadRanges,
): AsyncGenerator<ChunkUse> {
  const ranges = payload === undefined ? metadata : new BadRanges(payload, looked.wanted);
  if (!metadata.any && !ranges.any) return;
  if (payload !== undefined) {
    const shown = `${looked.path} (metadata)`;
    for (const { start, end, digest } of metadata.all) yield { digest, at: 0, length: end - start, shown };
  }
  const stream = new IndexStream(index, looked.context.chunks, looked.cache);
  let archive: ArchiveReader;
  try {
    archive = await ArchiveReader.open({
      read: (offset, length) => stream.read(offset, length),
      size: index.contentLength,
      ...(payload && { payloadSize: payload.contentLength }),
    });
  } catch (error) {
    if (kindOf(error) !== 'corrupt') throw error;
    for (const { digest } of metadata.all) yield { digest, at: 0, length: 0, shown: `${looked.path} (all of ${name})` };
    return;
  }
  // Names that damaged metadata hides are found by looking at every folder.
  const everywhere = metadata.any;
  const others = new OtherNames();
  const walk = walkArchive(archive, (start, end) => everywhere || ranges.within(start, end).length > 0);
  for await (const walked of walk) {
    requireWanted(looked.context.signal);
    if (walked.kind === 'unreadable') yield* usesOfUnreadable(looked, walked, metadata);
    else {
      others.meet(walked);
      yield* usesOfFile(looked, walked, ranges);
    }
  }
  if (everywhere) return;
  for await (const walked of others.find(archive, await openAttributes(looked, attributes))) {
    requireWanted(looked.context.signal);
    yield* usesOfFile(looked, walked, ranges);
  }
}

/** Undefined where there are none, or they cannot be read. */
async function openAttributes(
  { context, cache }: Looked,
  index: ChunkIndex | undefined,
): Promise<AttributesReader | undefined> {
  if (index === undefined) return undefined;
  const stream = new IndexStream(index, context.chunks, cache);
  try {
    const size = index.contentLength;
    return await AttributesReader.open({ read: (offset, length) => stream.read(offset, length), size });
  } catch (error) {
    if (kindOf(error) !== 'corrupt') throw error;
    return undefined;
  }
}

/** Which of the damaged chunks it is that hides a folder is not known: all of them may. */
function* usesOfUnreadable(
  { path }: Looked,
  walked: WalkedEntry & { kind: 'unreadable' },
  metadata: BadRanges,
): Generator<ChunkUse> {
  const shown = `${path}/${walked.path.toString()}${walked.path.length === 0 ? '' : '/'}`;
  for (const { digest } of metadata.all) yield { digest, at: 0, length: 0, shown };
}

function* usesOfFile(
  { group, path }: Looked,
  walked: WalkedEntry & { kind: 'file' },
  ranges: BadRanges,
): Generator<ChunkUse> {
  const { payload } = walked.entry;
  if (payload === undefined) return;
  const shown = `${path}/${walked.path.toString()}`;
  const header = payloadHeader(payload.size);
  const contentAt = payload.offset + PAYLOAD_HEADER_BYTES;
  for (const range of ranges.within(payload.offset, contentAt)) {
    const { start, end } = overlap(range, payload.offset, contentAt);
    const bytes = header.subarray(start - payload.offset, end - payload.offset);
    yield { digest: range.digest, at: start - range.start, length: end - start, shown, bytes };
  }
  for (const range of ranges.within(contentAt, contentAt + payload.size)) {
    const { start, end } = overlap(range, contentAt, contentAt + payload.size);
    const file = { group, path: walked.path, offset: start - contentAt };
    yield { digest: range.digest, at: start - range.start, length: end - start, shown, file };
  }
}

function overlap(range: BadRange, start: number, end: number): { start: number; end: number } {
  return { start: Math.max(range.start, start), end: Math.min(range.end, end) };
}
