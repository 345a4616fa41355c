// Fills a new datastore with a tree of many files and chunks, straight into the catalog, to see how things scale. The
// chunks are rows without chunk files: nothing can be read back, and all that goes by names and rows alone works.
// Usage: node scripts/make-store.mjs STORE [FILES [CHUNKS]]     (default: 1,000,000 files and as many chunks)
//
// The rows go in by SQL: 10,000,000 files take minutes so, and hours through the functions of src/catalog. What the
// columns mean is described in src/catalog/schema.ts; a schema that changed makes this fail, not lie.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { STORAGE_LARGE, STORAGE_PACKED } from '../dist/src/catalog/inode.js';
import { openDatastore } from '../dist/src/datastore/open.js';

/** The group all files are in. */
export const GROUP = 'host/made';

const FILES_PER_FOLDER = 100;
const FOLDERS_PER_TOP = 100;
const SMALL_BYTES = 4000;
const SMALL_PER_PACK = 16;
const HEADER_BYTES = 16;
/** Every so many files one is large; it has an equal share of the chunks that are no packs. */
const LARGE_EVERY = 100;
const LARGE_CHUNK_BYTES = 1 << 20;
const STORED_BYTES = 40_000;
const TIME = { timeSec: 1_700_000_000, timeNsec: 123_456_789 };
const CACHE_KIB = 2 << 20;

const PACK_BYTES = SMALL_PER_PACK * (SMALL_BYTES + HEADER_BYTES);

/** Path of a file in the group, by its number. */
export function pathOf(n) {
  const folder = Math.floor(n / FILES_PER_FOLDER);
  const number = (value, digits) => `${value}`.padStart(digits, '0');
  return `t${number(Math.floor(folder / FOLDERS_PER_TOP), 4)}/d${number(folder, 6)}/f${number(n, 8)}`;
}

/** How many of what. */
function sizes(files, chunks) {
  const large = Math.floor(files / LARGE_EVERY);
  const packs = Math.ceil((files - large) / SMALL_PER_PACK);
  const chunksPerLarge = large === 0 ? 0 : Math.max(1, Math.floor((chunks - packs) / large));
  const folders = Math.ceil(files / FILES_PER_FOLDER);
  return { files, large, packs, chunksPerLarge, folders, tops: Math.ceil(folders / FOLDERS_PER_TOP) };
}

/** An empty group; its row's number and its tree's root. */
async function makeGroup(path) {
  const datastore = await openDatastore(path);
  try {
    const { catalog } = datastore;
    catalog.transactions.begin();
    const [groupIno, currentIno] = [catalog.inodes.allocate(), catalog.inodes.allocate()];
    const id = catalog.groups.allocateId();
    const [type, name] = GROUP.split('/');
    const group = { namespace: [], type, id: name };
    catalog.apply({ kind: 'create-group', group, id, groupIno, currentIno, folderInos: [], uid: 0, gid: 0, ...TIME });
    catalog.transactions.commit(catalog.transactions.appliedSequence());
    catalog.transactions.checkpoint('truncate');
    return { id, currentIno };
  } finally {
    datastore.close();
  }
}

/** What follows `WITH` for rows numbered from 0. */
const numbers = (count) =>
  `RECURSIVE numbers(n) AS (SELECT 0 WHERE ${count} > 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${count})`;

/** Adds rows made of numbers from 0 up. */
function fill(database, table, count, columns) {
  const started = performance.now();
  database.exec(`INSERT INTO ${table} WITH ${numbers(count)} SELECT ${columns} FROM numbers`);
  console.log(`${table}: ${count} rows, ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** An inode's columns. */
function inode({ ino, mode, nlink, size, storage, group, list }) {
  const times = Array(4).fill(`${TIME.timeSec}, ${TIME.timeNsec}`).join(', ');
  return `${ino}, ${mode}, ${nlink}, 0, 0, 0, ${size}, ${size}, ${times}, ${storage}, 0, 1, 0, ${group}, ${list}, 0, NULL`;
}

const name = (format, value) => `CAST(printf('${format}', ${value}) AS BLOB)`;

function fillFolders(database, size, { id: group, currentIno }, next) {
  const { tops, folders } = size;
  const [topIno, folderIno] = [next.ino, next.ino + tops];
  const folder = { mode: 0o040755, size: 0, storage: 0, group, list: 0 };
  const subfolders = `min(${FOLDERS_PER_TOP}, ${folders} - n * ${FOLDERS_PER_TOP})`;
  fill(database, 'inodes', tops, inode({ ...folder, ino: `${topIno} + n`, nlink: `2 + ${subfolders}` }));
  fill(database, 'inodes', folders, inode({ ...folder, ino: `${folderIno} + n`, nlink: 2 }));
  fill(database, 'dentries', tops, `${currentIno}, ${next.entry} + n, ${name('t%04d', 'n')}, ${topIno} + n`);
  const parent = `${topIno} + n / ${FOLDERS_PER_TOP}`;
  const entry = `${next.entry + tops} + n`;
  fill(database, 'dentries', folders, `${parent}, ${entry}, ${name('d%06d', 'n')}, ${folderIno} + n`);
  database.prepare('UPDATE inodes SET nlink = nlink + ? WHERE ino = ?').run(tops, currentIno);
  return { folderIno, fileIno: folderIno + folders, fileEntry: next.entry + tops + folders };
}

function fillFiles(database, size, { id: group }, next, { folderIno, fileIno, fileEntry }) {
  const { files, large, chunksPerLarge } = size;
  const isLarge = `n % ${LARGE_EVERY} = ${LARGE_EVERY - 1}`;
  const bytes = `iif(${isLarge}, ${chunksPerLarge * LARGE_CHUNK_BYTES}, ${SMALL_BYTES})`;
  const storage = `iif(${isLarge}, ${STORAGE_LARGE}, ${STORAGE_PACKED})`;
  const file = {
    ino: `${fileIno} + n`,
    mode: 0o100644,
    nlink: 1,
    size: bytes,
    storage,
    group,
    list: `${next.list} + n`,
  };
  fill(database, 'inodes', files, inode(file));
  const parent = `${folderIno} + n / ${FILES_PER_FOLDER}`;
  fill(database, 'dentries', files, `${parent}, ${fileEntry} + n, ${name('f%08d', 'n')}, ${fileIno} + n`);
  // In the order of lists: a large file's extents come between those of its neighbours.
  const parts = `iif(${isLarge}, ${chunksPerLarge}, 1)`;
  const small = `n - n / ${LARGE_EVERY}`;
  const chunk = `iif(${isLarge}, ${next.chunk + size.packs} + n / ${LARGE_EVERY} * ${chunksPerLarge} + part, ${next.chunk} + (${small}) / ${SMALL_PER_PACK})`;
  const at = `iif(${isLarge}, 0, (${small}) % ${SMALL_PER_PACK} * ${SMALL_BYTES + HEADER_BYTES} + ${HEADER_BYTES})`;
  const length = `iif(${isLarge}, ${LARGE_CHUNK_BYTES}, ${SMALL_BYTES})`;
  const started = performance.now();
  database.exec(`INSERT INTO extents
    WITH ${numbers(files)}, parts(part) AS (SELECT 0 UNION ALL SELECT part + 1 FROM parts WHERE part + 1 < ${Math.max(1, chunksPerLarge)})
    SELECT ${next.list} + n, part * ${LARGE_CHUNK_BYTES}, ${length}, 0, ${chunk}, ${at}
    FROM numbers CROSS JOIN parts ON part < ${parts}`);
  console.log(`extents: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return files - large;
}

function fillChunks(database, size, next, small) {
  const { packs, large, chunksPerLarge } = size;
  const row = (first, bytes) => `${first} + n, randomblob(32), ${bytes}, ${STORED_BYTES}, 0, 0`;
  const columns = 'chunks (id, digest, length, stored, state, verified_at)';
  fill(database, columns, packs, row(next.chunk, PACK_BYTES));
  fill(database, columns, large * chunksPerLarge, row(next.chunk + packs, LARGE_CHUNK_BYTES));
  // Ascending, as every other order takes many times as long.
  const started = performance.now();
  const place = `${next.chunk} + n / ${SMALL_PER_PACK}, n % ${SMALL_PER_PACK} * ${SMALL_BYTES + HEADER_BYTES} + ${HEADER_BYTES}`;
  database.exec(`INSERT INTO pieces WITH ${numbers(small)}
    SELECT randomblob(32) AS content, ${place}, ${SMALL_BYTES} FROM numbers ORDER BY content`);
  console.log(`pieces: ${small} rows, ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

function count(database, size) {
  const { files, large, packs, chunksPerLarge, folders, tops } = size;
  const content = (files - large) * SMALL_BYTES + large * chunksPerLarge * LARGE_CHUNK_BYTES;
  const made = tops + folders + files;
  database
    .prepare(`UPDATE meta SET next_ino = next_ino + ?, next_entry = next_entry + ?, next_list = next_list + ?,
      inodes = inodes + ?, allocated_bytes = allocated_bytes + ?`)
    .run(made, made, files, made, content);
  const chunks = packs + large * chunksPerLarge;
  database
    .prepare('UPDATE chunk_totals SET chunks = chunks + ?, plain = plain + ?, stored = stored + ? WHERE state = 0')
    .run(chunks, packs * PACK_BYTES + large * chunksPerLarge * LARGE_CHUNK_BYTES, chunks * STORED_BYTES);
}

/** Without indexes rows go in many times as fast; they are made again at the end. */
function withoutIndexes(database, work) {
  const indexes = database
    .prepare(`SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL`)
    .all();
  for (const index of indexes) database.exec(`DROP INDEX ${index.name}`);
  work();
  for (const index of indexes) {
    const started = performance.now();
    database.exec(index.sql);
    console.log(`${index.name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
}

/** Fills an empty datastore that nobody has mounted. */
async function makeStore(path, files, chunks) {
  mkdirSync(join(path, GROUP), { recursive: true });
  const group = await makeGroup(path);
  const database = new Database(join(path, '.cairn/catalog.db'));
  try {
    // A store that was half made is thrown away: nothing here has to survive a crash.
    database.pragma('journal_mode = OFF');
    database.pragma('synchronous = OFF');
    database.pragma(`cache_size = ${-CACHE_KIB}`);
    const meta = database.prepare('SELECT next_ino AS ino, next_entry AS entry, next_list AS list FROM meta').get();
    const chunk = database.prepare('SELECT coalesce(max(id), 0) + 1 FROM chunks').pluck().get();
    const [size, next] = [sizes(files, chunks), { ...meta, chunk }];
    withoutIndexes(database, () => {
      const places = fillFolders(database, size, group, next);
      const small = fillFiles(database, size, group, next, places);
      fillChunks(database, size, next, small);
      count(database, size);
    });
    database.pragma('journal_mode = WAL');
  } finally {
    database.close();
  }
}

const isProgram = process.argv[1] === fileURLToPath(import.meta.url);
if (isProgram) {
  const [path, files = '1000000', chunks = files] = process.argv.slice(2);
  if (path === undefined || ![files, chunks].every((text) => /^[1-9]\d*$/.test(text))) {
    console.error(`Usage: node ${process.argv[1]} STORE [FILES [CHUNKS]]`);
    process.exit(2);
  }
  await makeStore(resolve(path), Number(files), Number(chunks));
}
