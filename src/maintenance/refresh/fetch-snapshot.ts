import pLimit from 'p-limit';
import type { RemoteFile } from '../../catalog/uploads.js';
import { ROWS_PER_REQUEST } from '../../chunkstore/batches.js';
import { withLock } from '../../chunkstore/guards.js';
import { chunkName } from '../../chunkstore/layout.js';
import { type Digest, digestHex } from '../../core/digest.js';
import { fromSystemError } from '../../core/errors.js';
import { getIfThere } from '../../datastore/shared/shared-objects.js';
import { loadIndex, parseIndexNamed } from '../../index/index-file.js';
import { makeFolders, putFile, syncFolder } from '../../native/files.js';
import { readIndexOf } from '../gc/record-indexes.js';
import { notedManifest } from './fetch-marks.js';
import type { ListedSnapshot } from './listed-snapshots.js';
import type { RefreshParts } from './refresh-parts.js';

const INDEX = /\.[fd]idx$/;
const LOOKS_AT_ONCE = 16;
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

interface Fetched {
  readonly name: string;
  readonly bytes: Buffer;
}

interface NewChunk {
  readonly digest: Digest;
  readonly length: number;
  readonly stored: number;
}

/**
 * Fetches another machine's snapshot: its files, and a placeholder for each of its chunks that is not here.
 * @param held takes the digests that are held; the caller releases them when what names them is durable
 * @returns false where it has gone meanwhile, or a collection may delete some of its chunks, so that it waits
 */
export async function fetchSnapshot(
  parts: RefreshParts,
  snapshot: ListedSnapshot,
  groupFiles: ReadonlySet<string>,
  held: Digest[],
): Promise<boolean> {
  const files = await fetchFiles(parts, [...ownersOf(snapshot, groupFiles), ...snapshot.files]);
  if (files === undefined) return false;
  const indexes = files.filter(({ name }) => INDEX.test(name));
  const named = new Map<string, { digest: Digest; length: number }>();
  for (const { name, bytes } of indexes) {
    const index = parseIndexNamed(name, bytes);
    for (let at = 0; at < index.count; at += 1) {
      const digest = index.digest(at);
      named.set(digestHex(digest), { digest, length: index.end(at) - index.start(at) });
    }
  }
  // From now on no collection takes those of them that are here.
  for (const { digest } of named.values()) {
    parts.guards.hold(digest);
    held.push(digest);
  }
  if (!(await believe(parts, [...named.values()]))) return false;
  await writeFiles(parts, snapshot, files);
  for (const { name } of indexes) {
    parts.goOn();
    await parts.ask('record-index', readIndexOf(name, await loadIndex(`${parts.store}/${name}`)));
  }
  const noted = await factsOfAll(parts, snapshot.files.slice(0, -1));
  noted.push(notedManifest(snapshot));
  await parts.ask('adopt', { group: snapshot.group, time: snapshot.time, files: noted });
  return true;
}

function ownersOf({ group }: ListedSnapshot, groupFiles: ReadonlySet<string>): string[] {
  return [`${group}/owner`, `${group}/notes`].filter((name) => groupFiles.has(name));
}

/** Undefined where one of them has gone. */
async function fetchFiles({ objects }: RefreshParts, names: readonly string[]): Promise<Fetched[] | undefined> {
  const files: Fetched[] = [];
  for (const name of names) {
    const bytes = await getIfThere(objects, name);
    if (bytes === undefined) return undefined;
    files.push({ name, bytes });
  }
  return files;
}

/** Has those noted as present that are not, and makes their placeholders. */
async function believe(
  parts: RefreshParts,
  named: readonly { readonly digest: Digest; readonly length: number }[],
): Promise<boolean> {
  const limit = pLimit(LOOKS_AT_ONCE);
  // With the lock: a collector that came before the hold has written down by now what it takes.
  const isHere = ({ digest }: { readonly digest: Digest }): Promise<boolean> =>
    limit(() => withLock(parts.guards, digest, async () => parts.reader.chunks.find(digest)?.state === 'present'));
  const known = await Promise.all(named.map(isHere));
  const missing = named.filter((_, at) => known[at] !== true);
  const outcomes = await Promise.all(
    missing.map((chunk) => limit(async () => ({ ...chunk, stored: await parts.objects.size(objectOf(parts, chunk)) }))),
  );
  const found = outcomes.filter((chunk): chunk is NewChunk => chunk.stored !== undefined);
  if (found.length < missing.length) return false;
  for (let done = 0; done < found.length; done += ROWS_PER_REQUEST) {
    parts.goOn();
    const step = found.slice(done, done + ROWS_PER_REQUEST);
    const believed = await parts.ask('chunks', {
      digests: Buffer.concat(step.map(({ digest }) => digest)),
      lengths: Float64Array.from(step, ({ length }) => length),
      stored: Float64Array.from(step, ({ stored }) => stored),
    });
    if (!believed) return false;
    for (const chunk of step) {
      const path = `${parts.store}/${objectOf(parts, chunk)}`;
      await withLock(parts.guards, chunk.digest, () => parts.standIn(path, chunk.stored));
    }
  }
  return true;
}

function objectOf({ prefixDigits }: RefreshParts, { digest }: { readonly digest: Digest }): string {
  return chunkName(digest, prefixDigits);
}

/** The manifest last, durably: with it the snapshot is there. */
async function writeFiles(
  { store }: RefreshParts,
  { folder }: ListedSnapshot,
  files: readonly Fetched[],
): Promise<void> {
  try {
    const folders = folder.split('/').map((_, at, all) => `${store}/${all.slice(0, at + 1).join('/')}`);
    await makeFolders(folders, FOLDER_MODE);
    for (const { name, bytes } of files) {
      const path = `${store}/${name}`;
      await putFile(path, `${path}.tmp`, bytes, { mode: FILE_MODE, sync: true });
    }
    for (const made of [store, ...folders].reverse()) await syncFolder(made);
  } catch (error) {
    throw fromSystemError(error, `write the snapshot ${folder}`);
  }
}

async function factsOfAll({ factsOf, store }: RefreshParts, names: readonly string[]): Promise<RemoteFile[]> {
  const noted: RemoteFile[] = [];
  for (const path of names) {
    const facts = await factsOf(`${store}/${path}`);
    if (facts !== undefined) noted.push({ path, identity: facts.identity });
  }
  return noted;
}
