/** A test by its file, below test/, and a part of its title. */
export type NamedTest = readonly [file: string, title: string];

/** Something ZapFS's FileStore has a test for, or gets wrong, and the tests of ours that prove it. */
export interface ChecklistItem {
  readonly what: string;
  readonly tests: readonly NamedTest[];
}

const OBJECTS = 'conformance/library-objects-suite.ts';
const READING = 'conformance/library-reading-suite.ts';
const CHUNKS = 'conformance/library-chunks-suite.ts';
const ENDING = 'conformance/library-ending-suite.ts';
const DATASTORE = 'unit/library-datastore.test.ts';
const BACKEND = 'conformance/backend-suite.ts';
const SPREAD = 'unit/backend-spread.test.ts';
const SPREAD_MODEL = 'model/spread-objects.test.ts';
const REDUNDANCY = 'unit/core-redundancy.test.ts';
const ERASURE = 'unit/native-erasure.test.ts';
const INDEX = 'unit/library-index.test.ts';
const BACKENDS = 'unit/library-backends.test.ts';
const E2E = 'e2e/library.test.ts';

/** The names of ZapFS's own tests (zapfs-behaviour.md §8). */
export const PARITY: readonly ChecklistItem[] = [
  { what: 'store: construction with a memory index', tests: [[OBJECTS, 'come back as they were put']] },
  { what: 'store: construction with a persistent index', tests: [[DATASTORE, 'a new one is made and opened']] },
  { what: 'store: multiple backends', tests: [[BACKENDS, 'objects over erasure-coded backends']] },
  { what: 'store: add and remove backends', tests: [[BACKENDS, 'backends are added, emptied and removed']] },
  { what: 'store: write a chunk to a backend', tests: [[BACKENDS, 'on the backend that is named']] },
  { what: 'store: groups of shards', tests: [[BACKENDS, 'objects over erasure-coded backends']] },
  { what: 'store: get and list backends', tests: [[CHUNKS, 'the default backend is the same each time']] },
  {
    what: 'store: put a small, a 10 MB and an empty object',
    tests: [[OBJECTS, 'a small, a large and an empty object']],
  },
  { what: 'store: get an object, found and not found', tests: [[OBJECTS, 'what is not there is not found']] },
  { what: 'store: delete, found and not found', tests: [[OBJECTS, 'neither is what was deleted']] },
  { what: 'store: data of an object, not found and deleted', tests: [[OBJECTS, 'neither is what was deleted']] },
  { what: 'store: range of an object', tests: [[READING, 'any range of an object']] },
  { what: 'store: get a chunk, ok and not found', tests: [[CHUNKS, 'chunks are read whole, by range']] },
  { what: 'store: range of a chunk', tests: [[CHUNKS, 'chunks are read whole, by range']] },
  { what: 'store: info of a chunk', tests: [[CHUNKS, 'chunks are read whole, by range']] },
  { what: 'store: write a chunk', tests: [[CHUNKS, 'verified on receipt']] },
  { what: 'store: iterate and delete chunks', tests: [[CHUNKS, 'chunks are visited in order']] },
  { what: 'store: deduplication', tests: [[OBJECTS, 'equal content is stored once']] },
  { what: 'store: 20 concurrent puts', tests: [[OBJECTS, 'twenty puts at once']] },
  { what: 'store: close', tests: [[ENDING, 'a store that is closed']] },
  { what: 'store: index stats', tests: [[CHUNKS, 'the figures go down']] },
  { what: 'store: compression zstd and none', tests: [[READING, 'chunks are compressed where']] },
  { what: 'store: compression lz4 and s2 (not in the format)', tests: [[READING, 'algorithms and levels']] },
  { what: 'store: skip for incompressible', tests: [[READING, 'chunks are compressed where']] },
  { what: 'store: range with compression', tests: [[READING, 'compressed or not']] },
  { what: 'store: dedup across codecs', tests: [[READING, 'found again whatever']] },
  { what: 'store: concurrent with compression', tests: [[OBJECTS, 'twenty puts at once']] },
  { what: 'index: put, get, overwrite, delete', tests: [[INDEX, 'chunks and objects are found']] },
  { what: 'index: iterate and stream', tests: [[INDEX, 'are listed a page at a time']] },
  { what: 'index: stop on error', tests: [[CHUNKS, 'up to the first error']] },
  { what: 'index: sync and persistence', tests: [[DATASTORE, 'when the store is opened again']] },
  { what: 'index: concurrency', tests: [[INDEX, 'commits are shared']] },
  { what: 'backend: write, read, range, delete, exists, size', tests: [[BACKEND, 'whole and in ranges']] },
  { what: 'backend: overwrite and large', tests: [[BACKEND, 'the last put counts, empty and large ones too']] },
  { what: 'backend: fsync', tests: [[BACKEND, 'barriers, one after the other and at once']] },
  { what: 'backend: concurrency', tests: [[BACKEND, 'of puts of one name at once']] },
  {
    what: 'backend manager: add, replace, remove, close',
    tests: [[BACKENDS, 'backends are added, emptied and removed']],
  },
  { what: 'ec: encode, decode, recover', tests: [[ERASURE, 'any shards that are enough']] },
  { what: 'ec: small sizes, schemes', tests: [[SPREAD_MODEL, 'any object, redundancy, losses']] },
  { what: 'ec: parse, string', tests: [[REDUNDANCY, 'a redundancy is read, printed']] },
  { what: 'placer: preferred, round robin', tests: [[SPREAD, 'members get objects by their weight']] },
  { what: 'placer: read-only, full', tests: [[SPREAD, 'members that are full, read-only']] },
  { what: 'placer: n shards', tests: [[SPREAD, 'pieces lie on different members']] },
  {
    what: 'integration: upload, placement, list, integrity',
    tests: [[E2E, 'objects and a mount live in one datastore']],
  },
  { what: 'integration: persistence', tests: [[E2E, 'a process that is killed while it puts objects']] },
  { what: 'integration: end-to-end lifecycle, dedup counts', tests: [[CHUNKS, 'gives back what nothing names']] },
];

/** What ZapFS would fail (zapfs-behaviour.md §9), in its order. */
export const BEAT: readonly ChecklistItem[] = [
  { what: '1 a lost chunk is stored anew by the next write', tests: [[DATASTORE, 'a chunk that is lost, cut short']] },
  {
    what: '2 temporary file, fsync, rename, fsync of the folder',
    tests: [
      [E2E, 'a process that is killed while it puts objects'],
      [DATASTORE, 'puts and deletions that were broken off'],
    ],
  },
  { what: '3 re-use protects a chunk from a sweep', tests: [[CHUNKS, 'takes nothing that is named']] },
  {
    what: '4 ranges of compressed and erasure-coded objects',
    tests: [
      [READING, 'any range of an object'],
      [SPREAD_MODEL, 'any object, redundancy, losses'],
      [BACKENDS, 'objects over erasure-coded backends'],
    ],
  },
  {
    what: '5 erasure coding for every scheme and size, verified and repaired, never two shards on one backend',
    tests: [
      [SPREAD_MODEL, 'any object, redundancy, losses'],
      [SPREAD, 'lost and damaged pieces are made up for'],
      [SPREAD, 'pieces lie on different members'],
    ],
  },
  { what: '6 exact under repeated chunks', tests: [[INDEX, 'figures are exact whatever']] },
  {
    what: '7 a collection that runs, frees bytes, and may be interrupted',
    tests: [
      [CHUNKS, 'gives back what nothing names'],
      [E2E, 'objects and a mount live in one datastore'],
    ],
  },
  {
    what: '8 the index persists and can be made anew',
    tests: [
      [DATASTORE, 'when the store is opened again'],
      [E2E, 'objects and a mount live in one datastore'],
    ],
  },
  { what: '9 figures go down', tests: [[CHUNKS, 'the figures go down']] },
  {
    what: '10 read-only, least free room and a full disk are honoured',
    tests: [
      [SPREAD, 'members that are full, read-only'],
      [SPREAD, 'what is to be left free on a member'],
      [INDEX, 'a store that is full'],
    ],
  },
  { what: '11 verified on receipt', tests: [[CHUNKS, 'verified on receipt']] },
  { what: '12 reading, cutting, compressing and writing overlap', tests: [[INDEX, 'goes on reading while']] },
];
