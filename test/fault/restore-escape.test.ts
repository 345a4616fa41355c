import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ArchiveEncoder, type EntryMetadata, type LinkTarget } from '../../src/archive/encoder.js';
import { payloadHeader, payloadStartMarker, payloadTailMarker } from '../../src/archive/payload-items.js';
import { ArchiveReader } from '../../src/archive/reader.js';
import { CairnError } from '../../src/core/errors.js';
import type { ChunkIndex } from '../../src/index/chunk-index.js';
import type { OverwriteRule } from '../../src/snapshot/restore/overwriting.js';
import type { LeftOut, RestoreProblem } from '../../src/snapshot/restore/restore-outcome.js';
import { restoreTree } from '../../src/snapshot/restore/restore-tree.js';
import { RestoredLinks } from '../../src/snapshot/restore/restored-links.js';
import type { TreeView } from '../../src/snapshot/tree-view.js';
import { NEEDS_ROOT } from '../support/small-disk.js';
import { temporaryFolder } from '../support/temporary-folder.js';

// Archives nobody's snapshot makes, and others who change the target while it is restored to. Around the target lies what
// no restore may touch.

const VICTIM = 'precious';
const MTIME_SEC = 1_000_000;
const ATTACKER = 12345;
const [FILE, FOLDER, LINK] = [0o100644, 0o040755, 0o120777];

const metadata = (mode: number, uid = 0): EntryMetadata => ({
  ...{ mode, uid, gid: uid, mtimeSec: MTIME_SEC, mtimeNsec: 0, xattrs: [] },
});

/** Adds a file that holds `restored`. */
type AddFile = (name: string, uid?: number) => LinkTarget;

/** A tree view of what `build` encodes. */
function viewOf(build: (encoder: ArchiveEncoder, file: AddFile) => void): {
  view: TreeView;
  stream: Buffer;
  payload: Buffer;
} {
  const pieces: Uint8Array[] = [];
  const content = Buffer.from('restored');
  const payloads: Uint8Array[] = [payloadStartMarker()];
  let offset = 16;
  const encoder = new ArchiveEncoder((bytes) => pieces.push(bytes), metadata(FOLDER));
  build(encoder, (name, uid) => {
    const place = { offset, size: content.length };
    payloads.push(payloadHeader(content.length), content);
    offset += 16 + content.length;
    return encoder.file(Buffer.from(name), metadata(FILE, uid), place);
  });
  encoder.endFolder();
  const [stream, payload] = [Buffer.concat(pieces), Buffer.concat([...payloads, payloadTailMarker()])];
  return { view: opened(stream, payload), stream, payload };
}

function opened(stream: Buffer, payload: Buffer): TreeView {
  const read = (offset: number, length: number): Buffer => stream.subarray(offset, offset + length);
  const archive = ArchiveReader.open({ read, size: stream.length });
  assert.ok(archive instanceof ArchiveReader);
  const index = {
    ...{ count: 1, contentLength: payload.length, chunkAt: () => 0, start: () => 0, end: () => payload.length },
    digest: () => Buffer.alloc(32, 7),
  };
  return {
    archive,
    payload: Object.assign(index as unknown as ChunkIndex, { bytes: payload }),
    record: () => undefined,
    xattrs: () => [],
  };
}

interface Place {
  readonly outside: string;
  readonly target: string;
}

/** A target with things around it that are none of a restore's business. */
function placeFor(t: TestContext): Place {
  const folder = temporaryFolder(t);
  const [outside, target] = [join(folder, 'outside'), join(folder, 'target')];
  mkdirSync(join(outside, 'inner'), { recursive: true });
  writeFileSync(join(outside, 'victim'), VICTIM);
  chmodSync(join(outside, 'victim'), 0o640);
  chmodSync(join(outside, 'inner'), 0o711);
  return { outside, target };
}

function assertUntouched({ outside, target }: Place): void {
  assert.deepEqual(readdirSync(outside, { recursive: true }).sort(), ['inner', 'victim']);
  assert.deepEqual(readdirSync(join(target, '..')).sort(), ['outside', 'target']);
  const [victim, inner] = [statSync(join(outside, 'victim')), statSync(join(outside, 'inner'))];
  assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), VICTIM);
  assert.deepEqual([victim.mode & 0o7777, victim.uid, inner.mode & 0o7777, inner.uid], [0o640, 0, 0o711, 0]);
}

interface Options {
  readonly path?: string;
  readonly rule?: OverwriteRule;
  readonly setIds?: boolean;
}

async function restore(view: TreeView, target: string, { path = '', rule = 'refuse', setIds = false }: Options = {}) {
  const problems: RestoreProblem[] = [];
  const leftOut: LeftOut[] = [];
  const { bytes } = view.payload as unknown as { bytes: Buffer };
  const figures = await restoreTree({
    ...{
      view,
      path,
      target,
      rule,
      setIds,
      devices: false,
      checksum: false,
      excludes: [],
      signal: new AbortController().signal,
    },
    chunks: { read: async () => bytes },
    onProgress: () => undefined,
    onProblem: (problem) => problems.push(problem),
    onLeftOut: (left) => leftOut.push(left),
    requireSnapshot: async () => undefined,
  });
  return { figures, problems, leftOut };
}

/** As `restore`, where the archive or the target may make it fail with an error of ours. */
async function tryRestore(view: TreeView, target: string, options?: Options): Promise<void> {
  try {
    await restore(view, target, options);
  } catch (error) {
    assert.ok(error instanceof CairnError, String(error));
  }
}

test('no name in an archive leads out of the target', async (t) => {
  const place = placeFor(t);
  for (const name of ['..', '.', '/', '/x', '../x', 'a/../../x', '']) {
    // As long, so that the archive stays whole.
    const plain = 'n'.repeat(name.length);
    const { view, stream, payload } = viewOf((encoder, file) => {
      file('before');
      if (plain !== '') file(plain);
      encoder.startFolder(Buffer.from(`${plain}d`), metadata(FOLDER));
      file('victim');
      encoder.endFolder();
    });
    const crafted = Buffer.from(stream.toString('latin1').replaceAll(`${plain}\0`, `${name}\0`), 'latin1');
    if (name !== '') await tryRestore(opened(crafted, payload), place.target, { rule: 'always' });
    // A reader that lets it pass is not what this rests on.
    const lenient = Object.create(view.archive) as ArchiveReader;
    const listed = await view.archive.list(view.archive.root, 0, 10);
    lenient.list = async (folder, after) => {
      if (folder !== view.archive.root) return view.archive.list.call(view.archive, folder, after, 10);
      return after > 0 ? [] : listed.map((child) => ({ ...child, name: Buffer.from(name) }));
    };
    for (const method of ['entry', 'lookup', 'xattrs', 'linkTargets'] as const) {
      lenient[method] = view.archive[method].bind(view.archive) as never;
    }
    const { problems, figures } = await restore({ ...view, archive: lenient }, place.target, { rule: 'never' });
    assert.equal(problems.length, listed.length, name);
    assert.equal(figures.files, 0);
    assertUntouched(place);
    rmSync(place.target, { recursive: true, force: true });
  }
});

test('a symbolic link of the archive is no way for entries of its name', async (t) => {
  const place = placeFor(t);
  const { view } = viewOf((encoder, file) => {
    encoder.symlink(Buffer.from('twice'), metadata(LINK), Buffer.from(place.outside));
    encoder.startFolder(Buffer.from('twice'), metadata(0o040700));
    file('victim');
    encoder.endFolder();
    encoder.symlink(Buffer.from('file'), metadata(LINK), Buffer.from(join(place.outside, 'victim')));
    file('file');
    encoder.symlink(Buffer.from('up'), metadata(LINK), Buffer.from('../outside/victim'));
  });
  for (const rule of ['refuse', 'never', 'older', 'always'] as const) {
    await tryRestore(view, place.target, { rule });
    assertUntouched(place);
    rmSync(place.target, { recursive: true });
  }
});

test('where nothing tells how many names a file has, only those that links lead to are kept', async (t) => {
  const place = placeFor(t);
  const { view } = viewOf((encoder, file) => {
    for (let n = 0; n < 30; n += 1) file(`single-${n}`);
    const first = file('twice');
    encoder.hardLink(Buffer.from('twice again'), first);
  });
  const kept = t.mock.method(RestoredLinks.prototype, 'add');
  const { figures, problems } = await restore(view, place.target);
  assert.deepEqual([figures.files, figures.links, problems], [31, 1, []]);
  assert.equal(kept.mock.callCount(), 1);
});

test('a hard link whose other name is not restored becomes a file of its own', async (t) => {
  const place = placeFor(t);
  const { view } = viewOf((encoder, file) => {
    const first = file('first');
    encoder.startFolder(Buffer.from('part'), metadata(FOLDER));
    encoder.hardLink(Buffer.from('second'), first);
    encoder.hardLink(Buffer.from('third'), first);
    encoder.endFolder();
  });
  // Of that name there is another file where the first one would be.
  mkdirSync(place.target);
  writeFileSync(join(place.target, 'first'), VICTIM);
  const { figures } = await restore(view, join(place.target, 'part'), { path: 'part' });
  assert.deepEqual([figures.files, figures.links], [1, 1]);
  const [second, third] = ['second', 'third'].map((name) => statSync(join(place.target, 'part', name)));
  assert.deepEqual([second?.ino, second?.nlink], [third?.ino, 2]);
  assert.equal(readFileSync(join(place.target, 'first'), 'utf8'), VICTIM);
  assertUntouched(place);
});

/** The folders of the target, from the deepest up. */
function foldersBelow(target: string): string[] {
  return readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((a, b) => b.length - a.length);
}

test('folders and files that others swap for links to elsewhere, at whatever moment, lead nobody out', async (t) => {
  const { view } = viewOf((encoder, file) => {
    for (const name of ['a', 'inner']) {
      encoder.startFolder(Buffer.from(name), metadata(FOLDER));
      file('victim');
      encoder.startFolder(Buffer.from('inner'), metadata(FOLDER));
      encoder.symlink(Buffer.from('link'), metadata(LINK), Buffer.from('anywhere'));
      file('victim');
      encoder.endFolder();
      encoder.endFolder();
    }
    file('victim');
  });
  for (let moment = 1, asked = moment; asked >= moment; moment++) {
    const place = placeFor(t);
    mkdirSync(join(place.target, 'a/inner'), { recursive: true });
    writeFileSync(join(place.target, 'a/victim'), 'old');
    asked = 0;
    const swapping: TreeView = {
      ...view,
      record: () => {
        asked += 1;
        if (asked !== moment) return undefined;
        for (const path of foldersBelow(place.target)) {
          const victim = join(path, 'victim');
          rmSync(victim, { force: true });
          symlinkSync(join(place.outside, 'victim'), victim);
          renameSync(path, join(place.target, `moved-${path.length}-${asked}`));
          symlinkSync(path.endsWith('inner') ? join(place.outside, 'inner') : place.outside, path);
        }
        return undefined;
      },
    };
    await tryRestore(swapping, place.target, { rule: 'always' });
    assertUntouched(place);
  }
});

test('what somebody else puts in the place of a restored file gets no further name', {
  skip: NEEDS_ROOT,
}, async (t) => {
  const { view } = viewOf((encoder, file) => {
    encoder.startFolder(Buffer.from('his'), metadata(FOLDER, ATTACKER));
    const first = file('first');
    encoder.endFolder();
    encoder.startFolder(Buffer.from('ours'), metadata(FOLDER));
    encoder.hardLink(Buffer.from('second'), first);
    encoder.endFolder();
  });
  const place = placeFor(t);
  const first = join(place.target, 'his/first');
  let swapped = false;
  const swapping: TreeView = {
    ...view,
    record: () => {
      if (swapped || !readdirSync(place.target).includes('ours')) return undefined;
      swapped = true;
      rmSync(first);
      writeFileSync(first, 'attacks!');
      chownSync(first, ATTACKER, ATTACKER);
      utimesSync(first, MTIME_SEC, MTIME_SEC);
      return undefined;
    },
  };
  await restore(swapping, place.target);
  assert.ok(swapped);
  const second = join(place.target, 'ours/second');
  assert.equal(readFileSync(second, 'utf8'), 'restored');
  assert.deepEqual([statSync(second).uid, statSync(second).nlink], [0, 1]);
});

test('a name that somebody else gave a foreign file does not give it his owner', { skip: NEEDS_ROOT }, async (t) => {
  const place = placeFor(t);
  const { view } = viewOf((encoder, file) => {
    file('mine', ATTACKER);
    encoder.symlink(Buffer.from('link'), metadata(LINK, ATTACKER), Buffer.from('x'));
  });
  mkdirSync(place.target);
  chownSync(place.target, ATTACKER, ATTACKER);
  linkSync(join(place.outside, 'victim'), join(place.target, 'mine'));
  utimesSync(join(place.outside, 'victim'), MTIME_SEC, MTIME_SEC);
  await restore(view, place.target);
  assertUntouched(place);
  const { uid, nlink } = statSync(join(place.target, 'mine'));
  assert.deepEqual([uid, nlink, readFileSync(join(place.target, 'mine'), 'utf8')], [ATTACKER, 1, 'restored']);
  assert.equal(lstatSync(join(place.target, 'link')).uid, ATTACKER);
});

test('in a folder others may write to, links and nodes are made where they cannot reach them', async (t) => {
  const { target } = placeFor(t);
  const { view } = viewOf((encoder) => {
    encoder.symlink(Buffer.from('link'), metadata(LINK), Buffer.from('somewhere'));
    encoder.special(Buffer.from('pipe'), metadata(0o010640));
  });
  mkdirSync(target);
  const seen = new Set<string>();
  const watching: TreeView = {
    ...view,
    xattrs: (entry) => {
      for (const name of readdirSync(target)) seen.add(name);
      return view.xattrs(entry);
    },
  };
  for (let round = 0; round < 2; round++) {
    chmodSync(target, 0o777);
    assert.equal((await restore(watching, target)).figures.others, 2);
  }
  assert.deepEqual([...seen].sort(), ['.cairn-restore', 'link', 'pipe']);
  assert.deepEqual(readdirSync(target).sort(), ['link', 'pipe']);
  assert.equal(readlinkSync(join(target, 'link')), 'somewhere');
  assert.equal(statSync(target).mtimeMs, MTIME_SEC * 1000);
  if (process.getuid?.() !== 0) return;
  // Somebody else's folder of that name is not worked in.
  chmodSync(target, 0o777);
  mkdirSync(join(target, '.cairn-restore'));
  chownSync(join(target, '.cairn-restore'), ATTACKER, ATTACKER);
  rmSync(join(target, 'link'));
  const { problems } = await restore(view, target);
  assert.match(problems[0]?.message ?? '', /\.cairn-restore is somebody else's: remove it/);
});

test('folders on the way to the target are nobody’s to write in', async (t) => {
  const folder = temporaryFolder(t);
  const { view } = viewOf((_, file) => file('a'));
  const mask = process.umask(0);
  try {
    await restore(view, join(folder, 'one/two/three'));
  } finally {
    process.umask(mask);
  }
  const modes = ['one', 'one/two', 'one/two/three'].map((name) => statSync(join(folder, name)).mode & 0o777);
  assert.deepEqual(modes, [0o755, 0o755, 0o755]);
});
