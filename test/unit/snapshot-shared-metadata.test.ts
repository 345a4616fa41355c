import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestHex } from '../../src/core/digest.js';
import { TreeEncoder } from '../../src/snapshot/create/tree-encoder.js';
import type { FileContent, TreeNode, TreeSource } from '../../src/snapshot/create/tree-source.js';
import { finishTreeStreams, newTreeStreams } from '../../src/snapshot/create/tree-streams.js';

const FILES = 100_000;
const FILE_BYTES = 4000;
const FILES_PER_PACK = 16;
const PACK_BYTES = FILES_PER_PACK * (FILE_BYTES + 16);
const CHANGES = 5;
const TIME = { mtimeSec: 1, mtimeNsec: 0, ctimeSec: 1, ctimeNsec: 0, btimeSec: 1, btimeNsec: 0 };
const OWNER = { uid: 0, gid: 0, rdev: 0, target: null, ...TIME };

/** A tree of small files in packs of their neighbours; those changed are together in a pack of their own. */
class ManyFiles implements TreeSource<TreeNode> {
  readonly #perFolder: number;
  readonly #changed: readonly number[];

  constructor(perFolder: number, changed: readonly number[]) {
    this.#perFolder = perFolder;
    this.#changed = changed;
  }

  root(): TreeNode {
    return { ino: 0, mode: 0o040755, nlink: 2, size: 0, ...OWNER };
  }

  children(folder: TreeNode) {
    const first = folder.ino === 0 ? 0 : (folder.ino - 1) * this.#perFolder;
    const count = folder.ino === 0 ? FILES / this.#perFolder : this.#perFolder;
    let next = 0;
    return {
      next: () => {
        if (next === count) return undefined;
        const n = next++;
        return folder.ino === 0 ? this.#folder(n) : this.#file(first + n);
      },
    };
  }

  xattrs(): [] {
    return [];
  }

  content({ ino }: TreeNode): FileContent {
    const n = ino - FILES;
    const own = this.#changed.indexOf(n);
    const [pack, member] = own < 0 ? [2 + Math.floor(n / FILES_PER_PACK), n % FILES_PER_PACK] : [1, own];
    const digest = Buffer.alloc(32);
    digest.writeUInt32LE(pack);
    return { kind: 'packed', digest, chunkLength: PACK_BYTES, at: 16 + member * (FILE_BYTES + 16) };
  }

  #folder(n: number) {
    return { name: nameOf('folder', n), node: { ino: n + 1, mode: 0o040755, nlink: 2, size: 0, ...OWNER } };
  }

  #file(n: number) {
    return { name: nameOf('file', n), node: { ino: FILES + n, mode: 0o100644, nlink: 1, size: FILE_BYTES, ...OWNER } };
  }
}

function nameOf(what: string, n: number): Buffer {
  return Buffer.from(`${what}-${String(n).padStart(8, '0')}`);
}

/** Plain bytes of the metadata's chunks by digest, and of all streams. */
async function encoded(source: ManyFiles): Promise<{ chunks: Map<string, number>; payloadIndexBytes: number }> {
  const chunks = new Map<string, number>();
  const streams = newTreeStreams(async (digest, bytes) => chunks.set(digestHex(digest), bytes.length));
  await new TreeEncoder(source, streams).encode();
  const { payload } = await finishTreeStreams(streams, 1);
  return { chunks, payloadIndexBytes: payload.bytes.length };
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((all, each) => all + each, 0);

/** The part of a tree's metadata that a snapshot after changes all over it stores anew. */
async function anewAfterChanges(perFolder: number): Promise<number> {
  const changed = [...Array(CHANGES).keys()].map((i) => Math.floor(((i + 0.4) * FILES) / CHANGES));
  const before = await encoded(new ManyFiles(perFolder, []));
  const after = await encoded(new ManyFiles(perFolder, changed));
  const listings = FILES / FILES_PER_PACK;
  assert.ok(before.payloadIndexBytes < 40 * listings * 1.1, `${before.payloadIndexBytes} bytes of index`);
  const isNew = ([digest]: readonly [string, number]): boolean => !before.chunks.has(digest);
  const anew = [...after.chunks].filter(isNew).map(([, bytes]) => bytes);
  return sum(anew) / sum(after.chunks.values());
}

for (const perFolder of [100, FILES]) {
  test(`5 changes among 100,000 files, ${perFolder} a folder: most metadata is shared`, async () => {
    const share = await anewAfterChanges(perFolder);
    assert.ok(share > 0 && share < 0.4, `${share} of the metadata was stored anew`);
  });
}
