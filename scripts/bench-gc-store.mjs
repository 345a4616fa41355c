// The datastore that scripts/bench-gc measures: chunk files of a few bytes with their rows, and snapshots that are index
// files with recorded sets. Only while nobody has it mounted.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openCatalog } from '../dist/src/catalog/open.js';
import { createDatastore } from '../dist/src/datastore/create.js';
import { encodeDynamicIndex } from '../dist/src/index/dynamic-index.js';
import { newIndexStamp } from '../dist/src/index/index-header.js';

const CHUNK_BYTES = 1_000_000;
const ROWS_PER_COMMIT = 10_000;
const FIRST_TIME = 1_600_000_000;
/** Further snapshots name the same stretches once more. */
const STRETCHES = 100;

const digestOf = (n) => createHash('sha256').update(`chunk ${n}`).digest();

/** Makes the 256 folders chunks lie in below a folder. */
function makeFolders(folder) {
  for (let prefix = 0; prefix < 256; prefix++) {
    mkdirSync(join(folder, prefix.toString(16).padStart(2, '0')), { recursive: true });
  }
}

/** A file as a chunk lies in its folder; its bytes do not matter. @returns their number */
function writeChunkFile(folder, digest, text) {
  const hex = digest.toString('hex');
  const file = openSync(`${folder}/${hex.slice(0, 2)}/${hex}`, 'w');
  writeSync(file, text);
  closeSync(file);
  return text.length;
}

/** Files like those of chunks, for others to delete. */
export function makeRival(folder, from, count) {
  makeFolders(folder);
  for (let n = from; n < from + count; n++) writeChunkFile(folder, digestOf(n), `${n}`);
  execFileSync('sync', ['-f', folder]);
}

export class BenchStore {
  /** Chunks made so far; each has a number, which its digest is made of. */
  chunks = 0;
  snapshots = 0;
  #path;
  #used;
  #references;

  /** @param used of the chunks made first so many are named by snapshots, `references` of them by each */
  constructor(path, used, references) {
    this.#path = path;
    this.#used = used;
    this.#references = Math.min(references, used);
  }

  async create() {
    await createDatastore(this.#path, { reserveBytes: 4096 });
  }

  /** More chunks; those beyond the ones in use are garbage. */
  addChunks(count) {
    this.#withCatalog((inTransaction, catalog) => {
      const end = this.chunks + count;
      for (let from = this.chunks; from < end; from += ROWS_PER_COMMIT) {
        inTransaction(() => {
          for (let n = from; n < Math.min(end, from + ROWS_PER_COMMIT); n++) {
            const digest = digestOf(n);
            catalog.chunks.setPresent(digest, CHUNK_BYTES, writeChunkFile(`${this.#path}/.chunks`, digest, `${n}`));
          }
        });
      }
      this.chunks = end;
    });
  }

  /** Adds snapshots until there are so many, each of a stretch of chunks in use; and before, one of all of them. */
  addSnapshots(count) {
    this.#withCatalog((inTransaction, catalog) => {
      const sets = new Map();
      const add = (...of) => this.#addSnapshot(inTransaction, catalog.indexFiles, sets, ...of);
      if (this.snapshots === 0) add('host/all', 0, this.#used);
      for (; this.snapshots < count; this.snapshots++) {
        const stretch = this.snapshots % STRETCHES;
        add('host/bench', Math.floor((stretch * this.#used) / STRETCHES), this.#references);
      }
    });
  }

  /** @param sets those of stretches named before */
  #addSnapshot(inTransaction, indexFiles, sets, group, start, count) {
    const entries = Array.from({ length: count }, (_, i) => {
      return { end: (i + 1) * CHUNK_BYTES, digest: digestOf((start + i) % this.#used) };
    });
    const built = encodeDynamicIndex(newIndexStamp(FIRST_TIME + this.snapshots), entries);
    const time = new Date((FIRST_TIME + this.snapshots) * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
    const path = `${group}/${time}/root.ppxar.didx`;
    mkdirSync(join(this.#path, group, time), { recursive: true });
    writeFileSync(join(this.#path, path), built.bytes);
    inTransaction(() => {
      const stretch = `${start} ${count}`;
      let gathered = sets.get(stretch);
      if (gathered === undefined) {
        gathered = indexFiles.gather();
        const listed = entries.map(({ digest }) => ({ digest, length: CHUNK_BYTES }));
        indexFiles.addChunks(gathered, listed, 'present');
        sets.set(stretch, gathered);
      }
      const file = {
        ...{ path, kind: 'dynamic', checksum: built.checksum, header: built.bytes.subarray(0, 96) },
        ...{ fileBytes: built.bytes.length, chunkCount: built.count, contentBytes: built.contentLength },
      };
      indexFiles.put(file, gathered);
    });
  }

  #withCatalog(work) {
    const catalog = openCatalog(join(this.#path, '.cairn/catalog.db'));
    const inTransaction = (change) => {
      catalog.transactions.begin();
      change();
      catalog.transactions.commit(catalog.transactions.appliedSequence());
    };
    try {
      work(inTransaction, catalog);
      catalog.transactions.checkpoint('truncate');
    } finally {
      catalog.close();
    }
    execFileSync('sync', ['-f', this.#path]);
  }
}
