import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { readAnnouncement } from '../../src/datastore/announcement.js';
import { claimDatastore } from '../../src/datastore/claim.js';
import { createDatastore } from '../../src/datastore/create.js';
import { openDatastore, openDatastoreReader } from '../../src/datastore/open.js';
import { type DatastorePaths, datastorePaths } from '../../src/datastore/paths.js';
import { sha256Sync } from '../../src/native/hash.js';
import { runNodeProgram } from '../support/node-program.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;
const moduleUrl = (name: string) => new URL(`../../src/${name}.js`, import.meta.url).href;

async function newStore(t: TestContext): Promise<DatastorePaths> {
  const paths = datastorePaths(join(temporaryFolder(t), 'store'));
  await createDatastore(paths.root, { reserveBytes: 4096 });
  return paths;
}

/** What another process gets when it claims the datastore: `ok`, or the error's message. */
async function claimElsewhere({ root }: DatastorePaths): Promise<string> {
  const { stdout, stderr } = await runNodeProgram(`
    import { claimDatastore } from ${JSON.stringify(moduleUrl('datastore/claim'))};
    import { datastorePaths } from ${JSON.stringify(moduleUrl('datastore/paths'))};
    try {
      claimDatastore(datastorePaths(${JSON.stringify(root)})).release();
      console.log('ok');
    } catch (error) {
      console.log(error.message);
    }
  `);
  assert.equal(stderr, '');
  return stdout.trim();
}

/** Whether a foreign collector could take PBS's lock. */
async function lockPbsElsewhere({ pbsLock }: DatastorePaths): Promise<string> {
  const { stdout } = await runNodeProgram(`
    import { lockFile } from ${JSON.stringify(moduleUrl('native/locks'))};
    console.log(lockFile(${JSON.stringify(pbsLock)}, 'write') === undefined ? 'refused' : 'taken');
  `);
  return stdout.trim();
}

test('what was written is there when it is opened again', async (t) => {
  const { root } = await newStore(t);
  const bytes = randomBytes(1000);
  const digest = sha256Sync(bytes);
  const first = await openDatastore(root);
  await first.chunks.insertBytes(digest, bytes);
  first.close();
  first.close();
  const link = join(temporaryFolder(t), 'link');
  symlinkSync(root, link);
  const second = await openDatastore(link);
  assert.equal(second.paths.root, root);
  assert.deepEqual(await second.chunks.read(digest), bytes);
  second.close();
});

test('one process at a time writes, and is named to others; readers do not mind', async (t) => {
  const paths = await newStore(t);
  const datastore = await openDatastore(paths.root);
  const inUse = new RegExp(`in use by process ${process.pid}$`);
  assert.match(await claimElsewhere(paths), inUse);
  assert.equal(await lockPbsElsewhere(paths), 'refused');
  await assert.rejects(openDatastore(paths.root), isKind('busy'));
  await assert.rejects(openDatastore(paths.root), inUse);
  assert.match(await claimElsewhere(paths), inUse, 'asking twice does not lose the lock');
  (await openDatastoreReader(paths.root)).close();
  assert.match(await claimElsewhere(paths), inUse, 'nor does reading');
  datastore.close();
  assert.equal(await claimElsewhere(paths), 'ok');
  assert.equal(await lockPbsElsewhere(paths), 'taken');
});

test('a thread of the process that holds the claim opens without one', async (t) => {
  const paths = await newStore(t);
  const claim = claimDatastore(paths);
  (await openDatastore(paths.root, 'process')).close();
  assert.match(await claimElsewhere(paths), /in use/);
  claim.release();
  assert.equal(await claimElsewhere(paths), 'ok');
});

test('a claim that cannot be had whole leaves nothing locked', async (t) => {
  const paths = await newStore(t);
  rmSync(paths.pbsLock);
  mkdirSync(paths.pbsLock);
  assert.throws(() => claimDatastore(paths), isKind('is-a-directory'));
  rmSync(paths.pbsLock, { recursive: true });
  assert.equal(await claimElsewhere(paths), 'ok');
});

test('the holder announces itself, and takes it back', async (t) => {
  const paths = await newStore(t);
  assert.equal(readAnnouncement(paths), undefined);
  const claim = claimDatastore(paths);
  const announcement = { pid: process.pid, socket: '/run/x.sock', mountpoints: ['/mnt/b'], group: 'host/a' };
  claim.announce({ ...announcement, socket: '/run/a-much-longer-one.sock' });
  claim.announce(announcement);
  assert.match(await claimElsewhere(paths), /in use/);
  const { stdout } = await runNodeProgram(`
    import { readAnnouncement } from ${JSON.stringify(moduleUrl('datastore/announcement'))};
    import { datastorePaths } from ${JSON.stringify(moduleUrl('datastore/paths'))};
    console.log(JSON.stringify(readAnnouncement(datastorePaths(${JSON.stringify(paths.root)}))));
  `);
  assert.deepEqual(JSON.parse(stdout), announcement);
  claim.release();
  claim.release();
  assert.equal(readAnnouncement(paths), undefined);
  for (const text of ['{"pid":', '{"pid":"x"}', '[]']) {
    writeFileSync(paths.lock, text);
    assert.equal(readAnnouncement(paths), undefined);
  }
});

test('what is no datastore, newer or damaged is told apart', async (t) => {
  const paths = await newStore(t);
  const refused = async (text: string, kind: ErrorKind, message: RegExp) => {
    writeFileSync(paths.config, text);
    await assert.rejects(openDatastore(paths.root), (error) => isKind(kind)(error) && message.test(String(error)));
  };
  const config = JSON.parse(readFileSync(paths.config, 'utf8')) as object;
  await refused(JSON.stringify({ format: 3, whatever: 1 }), 'unsupported', /format version 3.*newer cairn/);
  await refused('{"format":', 'corrupt', /config\.json is damaged/);
  await refused('{}', 'corrupt', /format/);
  await refused(JSON.stringify({ ...config, prefixDigits: 3 }), 'corrupt', /prefixDigits/);
  await refused(JSON.stringify({ ...config, uuid: 'x' }), 'corrupt', /uuid/);
  rmSync(paths.config);
  await assert.rejects(openDatastore(paths.root), isKind('not-found'));
  const folder = temporaryFolder(t);
  await assert.rejects(openDatastore(folder), /is not a datastore/);
  await assert.rejects(openDatastore(join(folder, 'none')), isKind('not-found'));
  mkdirSync(join(folder, '.chunks/0000'), { recursive: true });
  await assert.rejects(openDatastore(folder), /Proxmox Backup Server/);
});

test('a catalog that cannot be opened leaves the datastore free', async (t) => {
  const paths = await newStore(t);
  writeFileSync(paths.catalog, 'no database, but long enough to be one'.repeat(100));
  await assert.rejects(openDatastore(paths.root), isKind('corrupt'));
  assert.equal(await claimElsewhere(paths), 'ok');
});
