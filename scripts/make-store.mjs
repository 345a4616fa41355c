// Makes a datastore with very many files, through the catalog and not through the kernel, to see how mounting and
// listing scale. All files hold 4 KiB of zeros, a chunk every datastore has.
// Usage: node scripts/make-store.mjs STORE [FILES]     (default: 1,000,000 files, 1,000 to a folder)
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const FILES_PER_FOLDER = 1000;
const FILES_PER_COMMIT = 50_000;
const FILE_BYTES = 4096;
const PACKED = 1;

const built = (path) => new URL(`../dist/src/${path}`, import.meta.url).href;
const TIME = { sec: 1_700_000_000, nsec: 123_456_789 };

/** An inode as the catalog has it. */
function inodeOf(ino, mode, group) {
  const { sec, nsec } = TIME;
  return {
    ...{ ino, mode, nlink: (mode & 0o170000) === 0o040000 ? 2 : 1, uid: 0, gid: 0, rdev: 0, size: 0, allocated: 0 },
    ...{ atimeSec: sec, atimeNsec: nsec, mtimeSec: sec, mtimeNsec: nsec },
    ...{ ctimeSec: sec, ctimeNsec: nsec, btimeSec: sec, btimeNsec: nsec },
    ...{ storage: 0, chunker: 0, version: 0, role: 0, group, target: null },
  };
}

function makeGroup(catalog) {
  const [groupIno, currentIno] = [catalog.inodes.allocate(), catalog.inodes.allocate()];
  const id = catalog.groups.allocateId();
  const group = { namespace: [], type: 'host', id: 'million' };
  const owned = { uid: 0, gid: 0, timeSec: TIME.sec, timeNsec: TIME.nsec };
  catalog.apply({ kind: 'create-group', group, id, groupIno, currentIno, folderInos: [], ...owned });
  return { id, currentIno };
}

function makeNode(catalog, parent, name, mode, group) {
  const ino = catalog.inodes.allocate();
  const inode = inodeOf(ino, mode, group);
  catalog.apply({ kind: 'create', parent, name: Buffer.from(name), inode, xattrs: [] });
  return ino;
}

/** The one piece all files consist of. */
function zerosExtent(store) {
  const digest = createHash('sha256').update(Buffer.alloc(FILE_BYTES)).digest();
  const hex = digest.toString('hex');
  const storedLength = statSync(join(store, '.chunks', hex.slice(0, 2), hex)).size;
  return { kind: 'chunk', offset: 0, length: FILE_BYTES, digest, at: 0, chunkLength: FILE_BYTES, storedLength };
}

function fillFile(catalog, ino, extent) {
  const times = { mtimeSec: TIME.sec, mtimeNsec: TIME.nsec, ctimeSec: TIME.sec, ctimeNsec: TIME.nsec };
  const range = { start: 0, end: FILE_BYTES, extents: [extent], size: FILE_BYTES };
  catalog.apply({ kind: 'content', ino, ...range, storage: PACKED, chunker: 0, ...times });
}

/** Fills an empty datastore that nobody has mounted. */
async function makeStore(path, files) {
  const { openDatastore } = await import(built('datastore/open.js'));
  const datastore = await openDatastore(path);
  const { catalog } = datastore;
  const { transactions } = catalog;
  const commit = () => transactions.commit(transactions.appliedSequence());
  try {
    const extent = zerosExtent(path);
    transactions.begin();
    const { id, currentIno } = makeGroup(catalog);
    let folder = currentIno;
    for (let i = 0; i < files; i++) {
      if (i % FILES_PER_FOLDER === 0) {
        folder = makeNode(catalog, currentIno, `d${i / FILES_PER_FOLDER}`, 0o040755, id);
      }
      fillFile(catalog, makeNode(catalog, folder, `f${i}`, 0o100644, id), extent);
      if (i % FILES_PER_COMMIT === FILES_PER_COMMIT - 1) {
        commit();
        transactions.checkpoint('truncate');
        transactions.begin();
      }
    }
    commit();
    transactions.checkpoint('truncate');
  } finally {
    datastore.close();
  }
}

const [path, files = '1000000'] = process.argv.slice(2);
if (path === undefined || !/^[1-9]\d*$/.test(files)) {
  console.error(`Usage: node ${fileURLToPath(import.meta.url)} STORE [FILES]`);
  process.exit(2);
}
await makeStore(resolve(path), Number(files));
