// What storing a new file is made of, alone and on one thread: FastCDC, SHA-256, zstd and writing chunk files. Prints
// seconds of CPU per GB, without those that reading the file takes.
// Usage: node scripts/benchmark/parts.mjs FILE FOLDER
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { COMPRESSION_LEVEL, DYNAMIC_CUTTER } from '../../dist/src/chunk/limits.js';
import { BLOB_HEADER_BYTES, encodeBlobSync } from '../../dist/src/native/blob.js';
import { scanChunksSync } from '../../dist/src/native/chunker.js';

const WINDOW_BYTES = 32 << 20;

const [path, folder] = process.argv.slice(2);
const file = openSync(path, 'r');
const window = Buffer.alloc(WINDOW_BYTES);
const out = Buffer.alloc(DYNAMIC_CUTTER.maxBytes + BLOB_HEADER_BYTES);
let [kept, total, microseconds] = [0, 0, 0];
mkdirSync(folder, { recursive: true });

function store(chunk, digest) {
  const length = encodeBlobSync(chunk, out, COMPRESSION_LEVEL);
  const stored = openSync(join(folder, digest.toString('hex')), 'w');
  writeSync(stored, out, 0, length);
  fsyncSync(stored);
  closeSync(stored);
}

/** Stores the chunks a window begins with. @returns how many bytes they are */
function storeChunks(bytes, isLast) {
  let at = 0;
  for (const { length, digest } of scanChunksSync(bytes, DYNAMIC_CUTTER, isLast)) {
    store(bytes.subarray(at, at + length), digest);
    at += length;
  }
  return at;
}

for (let isLast = false; !isLast; ) {
  const read = readSync(file, window, kept, WINDOW_BYTES - kept);
  isLast = read === 0;
  total += read;
  const before = process.cpuUsage();
  const done = storeChunks(window.subarray(0, kept + read), isLast);
  const { user, system } = process.cpuUsage(before);
  microseconds += user + system;
  window.copyWithin(0, done, kept + read);
  kept += read - done;
}
closeSync(file);
console.log(microseconds / 1e6 / (total / 1e9));
