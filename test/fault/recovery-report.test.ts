import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Change } from '../../src/catalog/change.js';
import { droppedPaths } from '../../src/content/dropped-paths.js';
import { content, FILE, FOLDER, newInode } from '../support/catalog.js';
import { bodyOf, TestLiveStore } from '../support/live-store.js';
import { Random } from '../support/random.js';

const CURRENT = 'host/web1/current';
const TIME = { timeSec: 9, timeNsec: 0 };
const random = new Random(7);

/** The facts logged with the line that matches, at the last opening. */
function factsOf(store: TestLiveStore, line: RegExp): Record<string, unknown> {
  const at = store.log.lines.findLastIndex((text) => line.test(text));
  assert.ok(at >= 0, store.log.lines.join('\n'));
  return store.log.facts[at] as Record<string, unknown>;
}

function create(store: TestLiveStore, parent: number, name: string, mode = FILE): number {
  const ino = store.datastore.catalog.inodes.allocate();
  const change = { parent, name: Buffer.from(name), inode: newInode(ino, mode), xattrs: [] };
  store.live.parts.log.make({ kind: 'create', ...change });
  return ino;
}

async function fill(store: TestLiveStore, ino: number, bytes: Buffer): Promise<void> {
  const file = store.openFile(ino);
  await file.write(0, bodyOf(bytes));
  await file.flush();
  await store.live.contents.close(ino);
}

function newestSegment(store: TestLiveStore): string {
  const folder = store.datastore.paths.journal;
  return join(folder, String(Math.max(...readdirSync(folder).map(Number))));
}

/** As `crash()`, with something done to the store while no process has it. */
async function crashAnd(store: TestLiveStore, damage: () => void): Promise<void> {
  store.live.parts.log.fail('the process was killed', undefined);
  store.close();
  damage();
  await store.open();
}

test('what a torn journal loses is told by path, also in folders that are lost with it', async (t) => {
  const store = await TestLiveStore.make(t);
  const kept = store.makeFile('kept');
  await store.commitAll();
  store.makeFile('before');
  const segment = newestSegment(store);
  const torn = readFileSync(segment).length;
  const folder = create(store, store.current, 'folder', FOLDER);
  const inner = create(store, folder, '.file.aB3dE6');
  await fill(store, inner, random.bytes(2000));
  const rename = { parent: folder, name: Buffer.from('.file.aB3dE6'), newParent: folder, newName: Buffer.from('file') };
  store.live.parts.log.make({ kind: 'rename', ...rename, exchange: false, ...TIME });
  store.live.parts.log.make({ kind: 'attributes', ino: kept, fields: { mode: FILE | 0o600 } });
  await crashAnd(store, () => {
    const bytes = readFileSync(segment);
    bytes.writeUInt8(bytes.readUInt8(torn + 4) ^ 1, torn + 4);
    writeFileSync(segment, bytes);
  });
  const { paths, stoppedBy, morePaths } = factsOf(store, /^warn The end of the journal was lost/);
  assert.match(String(stoppedBy), /is torn/);
  const lost = ['folder', 'folder/.file.aB3dE6', 'folder/file', 'kept'].map((path) => `${CURRENT}/${path}`);
  assert.deepEqual([[...(paths as string[])].sort(), morePaths], [lost, 0]);
  assert.ok(store.datastore.catalog.names.pathOf(kept) !== undefined);
  const before = store.log.lines.length;
  await store.crash();
  assert.deepEqual(
    store.log.lines.slice(before).filter((line) => /journal/i.test(line)),
    [],
    'told once more',
  );
});

test('a record that is cut off at the very end is told by path, and is no alarm', async (t) => {
  const store = await TestLiveStore.make(t);
  const kept = store.makeFile('kept');
  await fill(store, kept, random.bytes(3000));
  const segment = newestSegment(store);
  await crashAnd(store, () => writeFileSync(segment, readFileSync(segment).subarray(0, -10)));
  assert.deepEqual(factsOf(store, /^info The journal ends in a torn record/)['paths'], [`${CURRENT}/kept`]);
});

test('a chunk that does not verify ends the journal, and the files it takes along are named', async (t) => {
  const store = await TestLiveStore.make(t);
  const large = store.makeFile('large');
  await fill(store, large, random.bytes(1_000_000));
  store.makeFile('behind');
  const chunks = join(store.datastore.paths.root, '.chunks');
  const [extent] = [...store.live.parts.tree.extents.all(large)];
  assert.ok(extent?.kind === 'chunk');
  const name = Buffer.from(extent.digest).toString('hex');
  await crashAnd(store, () => rmSync(join(chunks, name.slice(0, 2), name)));
  const { paths, stoppedBy } = factsOf(store, /^warn The end of the journal was lost/);
  assert.match(String(stoppedBy), new RegExp(`names a chunk that does not verify: ${name}`));
  assert.deepEqual(paths, [`${CURRENT}/large`, `${CURRENT}/behind`]);
});

test('paths of dropped changes: groups, links and trees that were lost; nothing for what has no name', () => {
  const names = { pathOf: (ino: number) => (ino === 5 ? Buffer.from('host/a/current/five') : undefined) };
  const group = { namespace: [], type: 'host', id: 'new' } as const;
  const numbers = { id: 9, groupIno: 20, currentIno: 21, folderInos: [], uid: 0, gid: 0 };
  const ghost = (ino: number) => newInode(ino, FILE);
  const dropped: Change[] = [
    { kind: 'create-group', group, ...numbers, ...TIME },
    { kind: 'create', parent: 21, name: Buffer.from('in it'), inode: ghost(22), xattrs: [] },
    { kind: 'create', parent: 0, name: Buffer.from(''), inode: ghost(23), xattrs: [] },
    content(23, 0, 0, [], 0),
    { kind: 'link', ino: 23, parent: 21, name: Buffer.from('linked'), ...TIME },
    content(23, 0, 0, [], 0),
    { ...content(5, 0, 0, [], 0), ifVersion: 3 },
    { kind: 'set-xattr', ino: 5, name: Buffer.from('user.a'), value: Buffer.from(''), ...TIME },
    { kind: 'drop-orphan', ino: 99 },
    // What a torn record may say: a folder in itself.
    { kind: 'create', parent: 30, name: Buffer.from('ring'), inode: ghost(30), xattrs: [] },
  ];
  const paths = droppedPaths({ names } as unknown as Parameters<typeof droppedPaths>[0], dropped);
  assert.deepEqual(paths, ['host/new', 'host/new/current/in it', 'host/new/current/linked', 'host/a/current/five']);
});
