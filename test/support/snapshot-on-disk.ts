import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeBlob } from './spec-decoder/blob.js';
import { decodeIndex, type SpecIndex, type SpecStream, streamOfIndex } from './spec-decoder/indexes.js';
import { decodeArchive, entriesOf, type SpecEntry } from './spec-decoder/pxar.js';

export const METADATA = 'root.mpxar.didx';
export const PAYLOAD = 'root.ppxar.didx';
export const ATTRIBUTES = 'cairn.attrs.didx';
export const MANIFEST = 'index.json.blob';

/** A snapshot's folder, read by nothing but the spec's decoder. */
export interface SnapshotOnDisk {
  readonly indexes: Readonly<Record<string, SpecIndex>>;
  readonly manifest: { readonly [key: string]: unknown; readonly files: readonly Record<string, unknown>[] };
  readonly root: SpecEntry;
  /** Entries by path; the root's is empty. */
  readonly entries: ReadonlyMap<string, SpecEntry>;
  /** The stream one of the indexes stands for. */
  stream(name: string): SpecStream;
}

/** Decodes all of a snapshot. @param plain chunks decoded so far, by digest */
export function readSnapshot(
  store: string,
  group: string,
  time: string,
  plain = new Map<string, Buffer>(),
): SnapshotOnDisk {
  const folder = join(store, group, time);
  const load = (digest: string): Buffer => {
    let bytes = plain.get(digest);
    if (bytes === undefined) {
      bytes = decodeBlob(readFileSync(join(store, '.chunks', digest.slice(0, 2), digest)));
      plain.set(digest, bytes);
    }
    return bytes;
  };
  const indexes: Record<string, SpecIndex> = {};
  for (const name of [METADATA, PAYLOAD, ATTRIBUTES]) indexes[name] = decodeIndex(readFileSync(join(folder, name)));
  const stream = (name: string) => streamOfIndex(indexes[name] as SpecIndex, load);
  const manifest = JSON.parse(decodeBlob(readFileSync(join(folder, MANIFEST))).toString());
  const { root } = decodeArchive(stream(METADATA), stream(PAYLOAD));
  return {
    indexes,
    manifest,
    root,
    entries: new Map([...entriesOf(root)].map((entry) => [entry.path, entry])),
    stream,
  };
}
