// Measures the catalog's operations on a tree of small files and prints microseconds per call.
// usage: node scripts/bench-catalog.mjs [files]      (default 200,000; needs a build)
// CAIRN_DIST names another folder of compiled files than dist/.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = resolve(process.env.CAIRN_DIST ?? new URL('../dist', import.meta.url).pathname);
const { createCatalog, openCatalog } = await import(pathToFileURL(join(dist, 'src/catalog/open.js')).href);
const { openCatalogReader } = await import(pathToFileURL(join(dist, 'src/catalog/open-reader.js')).href);

const FILES = Number(process.argv[2] ?? 200_000);
const FILES_A_FOLDER = 500;
const CHANGES_A_COMMIT = 10_000;
const FILES_A_PACK = 16;
const COMMITS_A_CHECKPOINT = 4;

const folder = mkdtempSync(join(tmpdir(), 'cairn-bench-catalog-'));
const path = join(folder, 'catalog.db');
createCatalog(path);
const catalog = openCatalog(path);
const commits = [];
let sequence = 0;
let uncommitted = 0;

/** Spent beside what is being measured. */
const aside = { milliseconds: 0, cpuMicroseconds: 0 };

function commit() {
  const cpu = process.cpuUsage();
  const start = performance.now();
  catalog.transactions.commit(sequence);
  commits.push(performance.now() - start);
  if (commits.length % COMMITS_A_CHECKPOINT === 0) catalog.transactions.checkpoint('passive');
  catalog.transactions.begin();
  uncommitted = 0;
  const { user, system } = process.cpuUsage(cpu);
  aside.milliseconds += performance.now() - start;
  aside.cpuMicroseconds += user + system;
}

function apply(change) {
  catalog.apply(change);
  sequence += 1;
  uncommitted += 1;
  if (uncommitted === CHANGES_A_COMMIT) commit();
}

function show(what, value, unit) {
  console.log(`${what.padEnd(44)} ${value.toFixed(2).padStart(10)} ${unit}`);
}

/** Runs `work` `count` times; commits and checkpoints are left out. */
function measure(what, count, work) {
  const before = { ...aside };
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let n = 0; n < count; n++) work(n);
  const wall = ((performance.now() - start - (aside.milliseconds - before.milliseconds)) * 1000) / count;
  const { user, system } = process.cpuUsage(cpu);
  const busy = (user + system - (aside.cpuMicroseconds - before.cpuMicroseconds)) / count;
  show(what, wall, `µs   ${busy.toFixed(2).padStart(8)} µs of processor time`);
}

const time = (n) => ({ timeSec: 1_700_000_000 + n, timeNsec: 1 });
const times = (n) => ({
  mtimeSec: 1_700_000_000 + n,
  mtimeNsec: 1,
  ctimeSec: 1_700_000_000 + n,
  ctimeNsec: 1,
});
const inode = (ino, mode, nlink, n) => ({
  ino,
  mode,
  nlink,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  allocated: 0,
  atimeSec: 1_700_000_000 + n,
  atimeNsec: 1,
  mtimeSec: 1_700_000_000 + n,
  mtimeNsec: 1,
  ctimeSec: 1_700_000_000 + n,
  ctimeNsec: 1,
  btimeSec: 1_700_000_000 + n,
  btimeNsec: 1,
  storage: 0,
  chunker: 0,
  version: 0,
  role: 0,
  group: 1,
  target: null,
});
const digest = (text) => createHash('sha256').update(text).digest();

catalog.transactions.begin();
const [groupIno, currentIno] = [catalog.inodes.allocate(), catalog.inodes.allocate()];
const group = { namespace: [], type: 'host', id: 'web1' };
const id = catalog.groups.allocateId();
apply({ kind: 'create-group', group, id, groupIno, currentIno, folderInos: [], uid: 0, gid: 0, ...time(0) });

const folders = [];
for (let n = 0; n * FILES_A_FOLDER < FILES; n++) {
  const ino = catalog.inodes.allocate();
  const name = Buffer.from(`folder-${n}`);
  apply({ kind: 'create', parent: currentIno, name, inode: inode(ino, 0o040755, 2, n), xattrs: [] });
  folders.push(ino);
}
const parentOf = (n) => folders[Math.floor(n / FILES_A_FOLDER)];
const names = Array.from({ length: FILES }, (_, n) => Buffer.from(`file-${n}.txt`));
const temporary = Array.from({ length: FILES }, (_, n) => Buffer.from(`.file-${n}.txt.Xa${n % 97}b`));
const inos = new Array(FILES);
const contents = Array.from({ length: FILES }, (_, n) => digest(`content ${n}`));
const packs = Array.from({ length: Math.ceil(FILES / FILES_A_PACK) }, (_, n) => digest(`pack ${n}`));

console.log(
  `${FILES} files, ${FILES_A_FOLDER} in a folder, one rsync-like round; a commit every ${CHANGES_A_COMMIT} changes`,
);
measure('lookup of a name that is not there', FILES, (n) => catalog.names.lookup(parentOf(n), temporary[n]));
const whole = performance.now();
measure('create', FILES, (n) => {
  const ino = catalog.inodes.allocate();
  inos[n] = ino;
  apply({ kind: 'create', parent: parentOf(n), name: temporary[n], inode: inode(ino, 0o100600, 1, n), xattrs: [] });
});
const journalExtent = (n) => ({ kind: 'journal', offset: 0, length: 4000, segment: n >> 14, at: (n & 16383) * 4096 });
measure('content: one journal extent', FILES, (n) => {
  const extents = [journalExtent(n)];
  const about = { start: 0, end: 4000, size: 4000, storage: 1, chunker: 0, ...times(n) };
  apply({ kind: 'content', ino: inos[n], extents, ...about });
});
measure('attributes: owner, mode and times', FILES, (n) => {
  const fields = { uid: 1000, gid: 1000, mode: 0o100644, mtimeSec: 5, mtimeNsec: 6, ctimeSec: n, ctimeNsec: 7 };
  apply({ kind: 'attributes', ino: inos[n], fields });
});
measure('rename to a new name', FILES, (n) => {
  const places = { parent: parentOf(n), name: temporary[n], newParent: parentOf(n), newName: names[n] };
  apply({ kind: 'rename', ...places, exchange: false, ...time(n) });
});
show('four changes a file, all included', (FILES * 1000) / (performance.now() - whole), 'files/s');
measure('content: swap for a piece of a pack', FILES, (n) => {
  const place = { digest: packs[Math.floor(n / FILES_A_PACK)], at: (n % FILES_A_PACK) * 4016 + 16 };
  const extents = [{ kind: 'chunk', offset: 0, length: 4000, ...place, chunkLength: 65536, storedLength: 30000 }];
  const about = { start: 0, end: 4000, size: 4000, storage: 1, chunker: 0, ...times(0), ifVersion: 1 };
  apply({ kind: 'content', ino: inos[n], extents, ...about, contentDigest: contents[n] });
});
commit();

const random = Uint32Array.from({ length: FILES }, (_, n) => (Math.imul(n, 2654435761) >>> 0) % FILES);
measure('lookup of a name, random', FILES, (n) => catalog.names.lookup(parentOf(random[n]), names[random[n]]));
measure('inode, random', FILES, (n) => catalog.inodes.find(inos[random[n]]));
measure('inode, at hand', FILES, (n) => catalog.inodes.find(inos[n % 1000]));
measure('extents of a file', FILES, (n) => catalog.extents.overlapping(inos[n], 0, 4000));
measure('xattr names where there are none', FILES, (n) => catalog.xattrs.names(inos[n]));
measure('path of an inode', FILES, (n) => catalog.names.pathOf(inos[random[n]]));
measure('chunk by digest', packs.length, (n) => catalog.chunks.find(packs[n]));
measure('piece by content digest', FILES, (n) => catalog.pieces.find(contents[random[n]]));
measure('listing of a folder of 500 with attributes', folders.length, (n) => {
  for (let cookie = 0; ; ) {
    const entries = catalog.names.entries(folders[n], cookie, 128);
    if (entries.length === 0) break;
    cookie = entries.at(-1).cookie;
  }
});
const reader = openCatalogReader(path);
const start = performance.now();
let seen = 0;
reader.picture.begin();
for (const parent of folders) for (const _ of reader.children.byName(parent)) seen += 1;
reader.picture.end();
reader.close();
show('picture: children by name, per entry', ((performance.now() - start) * 1000) / seen, 'µs');
const { fileBytes } = catalog.space.figures();
console.log(
  `database ${Math.round(fileBytes / FILES)} bytes per file, write-ahead log ${statSync(`${path}-wal`).size >> 20} MiB`,
);
measure('rename over another file', FILES / 2, (n) => {
  const places = { parent: parentOf(2 * n), name: names[2 * n], newParent: parentOf(2 * n), newName: names[2 * n + 1] };
  apply({ kind: 'rename', ...places, exchange: false, ...time(n) });
});
measure('drop of an orphan', FILES / 2, (n) => apply({ kind: 'drop-orphan', ino: inos[2 * n + 1] }));
measure('unlink', FILES / 2, (n) =>
  apply({ kind: 'unlink', parent: parentOf(2 * n), name: names[2 * n + 1], ...time(n) }),
);
commit();
commits.sort((a, b) => a - b);
const at = (part) => commits[Math.floor((commits.length - 1) * part)].toFixed(1);
console.log(
  `commit of ${CHANGES_A_COMMIT} changes: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms (${commits.length})`,
);
catalog.transactions.rollback();
const checkpoint = performance.now();
catalog.transactions.checkpoint('truncate');
console.log(`checkpoint of all: ${Math.round(performance.now() - checkpoint)} ms`);
catalog.close();
rmSync(folder, { recursive: true });
