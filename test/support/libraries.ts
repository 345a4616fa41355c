import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createDatastore } from '../../src/datastore/create.js';
import type { Library } from '../../src/library/api.js';
import { memoryLibrary } from '../../src/library/memory-library.js';
import { openLibrary } from '../../src/library/open-library.js';

/** A library of each index kind, each with a store of its own. */
export const LIBRARY_KINDS = ['memory', 'sqlite'] as const;
export type LibraryKind = (typeof LIBRARY_KINDS)[number];

/** An empty store, closed when the test ends. */
export async function emptyLibrary(t: TestContext, kind: LibraryKind): Promise<Library> {
  if (kind === 'sqlite') return (await datastoreLibrary(t)).library;
  const library = memoryLibrary();
  t.after(() => library.close());
  return library;
}

/** A library over a new datastore, and where that is. */
export async function datastoreLibrary(t: TestContext): Promise<{ library: Library; store: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-library-'));
  const store = join(folder, 'store');
  cpSync(await templateStore(), store, { recursive: true, preserveTimestamps: true });
  const library = await openLibrary(store);
  t.after(async () => {
    await library.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { library, store };
}

let template: Promise<string> | undefined;

/** An empty datastore to copy: making one waits for the disk many times. */
function templateStore(): Promise<string> {
  template ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-library-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    await createDatastore(join(folder, 'store'), { reserveBytes: 4096 });
    return join(folder, 'store');
  })();
  return template;
}

/** All of a stream. */
export async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** All that something lists. */
export async function allOf<T>(list: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of list) all.push(item);
  return all;
}

/** Files below a folder of a datastore, relative to it. */
export function filesBelow(store: string, folder: string): string[] {
  const names = readdirSync(join(store, folder), { recursive: true, withFileTypes: true });
  return names
    .filter((name) => name.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(store.length + 1));
}

/** Ids of all chunks that are present. */
export async function chunkIds(library: Library): Promise<string[]> {
  const ids: string[] = [];
  await library.iterateChunks(({ id }) => void ids.push(id));
  return ids;
}

/** What a store has beyond the standing chunks of a datastore. */
export function counted(library: Library): () => Promise<{ chunks: number; bytes: number; ids: string[] }> {
  const before = library.getIndexStats();
  const standing = chunkIds(library);
  return async () => {
    const { chunks, bytes } = library.getIndexStats();
    const known = new Set(await standing);
    const ids = (await chunkIds(library)).filter((id) => !known.has(id));
    return { chunks: chunks - before.chunks, bytes: bytes - before.bytes, ids };
  };
}
