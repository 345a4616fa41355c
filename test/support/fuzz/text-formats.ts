import assert from 'node:assert/strict';
import { checkName } from '../../../src/backend/names.js';
import { segmentName, segmentOfName } from '../../../src/content/journal/segment.js';
import { LineSplitter, parseLine } from '../../../src/control/lines.js';
import { digestFromHex, digestHex } from '../../../src/core/digest.js';
import { groupPath, parseGroupPath } from '../../../src/core/group.js';
import { formatSnapshotTime, snapshotTimeOf } from '../../../src/core/snapshot-time.js';
import { formatTreeName, parseTreeName } from '../../../src/core/tree-name.js';
import { archiveNameOf, isServerFileName, serverFileName } from '../../../src/index/archive-names.js';
import { buildManifest, manifestText, parseManifest, signatureFits } from '../../../src/index/manifest.js';
import { verifyOutcomeOf } from '../../../src/index/verify-state.js';
import { decodeBlobSync, encodeBlobSync } from '../../../src/native/blob.js';
import type { Random } from '../random.js';
import { damaged, edge } from './damage.js';
import type { FuzzTarget } from './run.js';

const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1.5,
    2 ** 53,
    -(2 ** 53),
    1e308,
    '',
    '..',
    '/',
    '../../etc/passwd',
    '\0',
    '\ud800',
    'ü',
  ],
  ...[[], {}, [[]], [null], { '': '' }, 'x'.repeat(300)],
];

/** A value with one part somewhere in it replaced, taken away, doubled or made deep. */
function otherValue(random: Random, value: unknown): unknown {
  const isContainer = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  if (!isContainer || random.below(6) === 0) return replacement(random);
  const key = random.pick(Object.keys(value));
  const inner = (value as Record<string, unknown>)[key];
  if (Array.isArray(value)) {
    const list = [...value];
    if (random.below(4) === 0) return [...list, ...list];
    list[Number(key)] = otherValue(random, inner);
    return list;
  }
  const entries = Object.entries(value).filter(([name]) => name !== key);
  const choice = random.below(8);
  if (choice === 0) return Object.fromEntries(entries);
  const name = choice === 1 ? random.pick(['__proto__', 'constructor', 'toString', '', `${key} `]) : key;
  // A member named __proto__ is one only as JSON.parse makes it.
  entries.push([name, choice === 1 ? inner : otherValue(random, inner)]);
  return Object.fromEntries(entries);
}

function replacement(random: Random): unknown {
  const choice = random.below(10);
  if (choice === 0) return Number(edge(random));
  if (choice === 1) return JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`);
  if (choice === 2) return random.bytes(random.below(40)).toString('latin1');
  return random.pick(VALUES);
}

/** The JSON of a value that is not quite `value`; repaired, it is JSON still. */
export function otherJson(random: Random, value: unknown): { text: Buffer; repaired: boolean } {
  const repaired = random.below(3) > 0;
  if (!repaired) return { repaired, text: damaged(random, Buffer.from(JSON.stringify(value))) };
  let other = value;
  for (let left = random.between(1, 3); left > 0; left -= 1) other = otherValue(random, other);
  return { repaired, text: Buffer.from(JSON.stringify(other)) };
}

function anyManifest(random: Random): unknown {
  const files = ['root.mpxar.didx', 'root.ppxar.didx', 'cairn.attrs.didx', 'drive-scsi0.img.fidx', 'a.conf.blob'].map(
    (filename) => ({ filename, cryptMode: 'none' as const, size: random.below(2 ** 32), checksum: random.bytes(32) }),
  );
  const upid = 'UPID:cairn:00000001:00000000:00000001:6745AB12:verify::root@pam:';
  const unprotected = { verify_state: { state: 'ok', upid }, notes: 'a note', chunk_upload_stats: { count: 7 } };
  return buildManifest({ type: 'host', id: 'web1', time: random.below(2 ** 31), files, unprotected }).document;
}

/** Manifests in their blobs; repaired, the blob's CRC32 fits and the text is JSON. */
const manifests: FuzzTarget = {
  name: 'manifest',
  refusals: ['corrupt', 'unsupported'],
  outerRefusal: /CRC32|magic|not JSON/,
  make(random) {
    const { text, repaired } = otherJson(random, anyManifest(random));
    const out = Buffer.alloc(text.length + 12);
    const whole = out.subarray(0, encodeBlobSync(text, out, 1));
    const input = repaired || random.below(2) === 0 ? whole : damaged(random, whole);
    const feed = () => {
      const manifest = parseManifest(decodeBlobSync(input, 2 ** 24));
      verifyOutcomeOf(manifest);
      assert.deepEqual(parseManifest(manifestText(manifest)).files, manifest.files);
      for (const { filename } of manifest.files) assert.ok(!filename.includes('/') && !filename.includes('\0'));
      const key = Buffer.alloc(32, 1);
      signatureFits(manifest, key);
    };
    return { repaired, input, feed };
  },
};

const NAMES: readonly string[] = [
  ...['host/web1', 'ns/a/ns/b/vm/100', 'host/web1/2026-11-20T10:00:00Z', 'host/web1/latest', '2026-11-20T10:00:00Z'],
  ...['root.mpxar.didx', 'drive-scsi0.img.fidx', 'index.json.blob', '.chunks/a9/a948', 'a'.repeat(64), '17', '.', '..'],
];

/** Reads one name; what it takes reads back the same. */
const NAME_READERS: readonly ((name: string) => void)[] = [
  (name) => {
    const group = parseGroupPath(name);
    assert.deepEqual(parseGroupPath(groupPath(group)), group);
    assert.ok(
      !groupPath(group)
        .split('/')
        .some((part) => part === '..' || part === '.' || part === ''),
    );
  },
  (name) => {
    const tree = parseTreeName(name);
    assert.deepEqual(parseTreeName(formatTreeName(tree)), tree);
  },
  (name) => {
    const time = snapshotTimeOf(name);
    if (time !== undefined) assert.equal(formatSnapshotTime(time), name);
  },
  (name) => assert.equal(digestHex(digestFromHex(name)), name),
  (name) => {
    const segment = segmentOfName(name);
    if (segment !== undefined) assert.equal(segmentName(segment), name);
  },
  (name) => {
    checkName(name);
    assert.ok(!name.startsWith('/') && !name.split('/').includes('..'));
  },
  (name) => {
    if (isServerFileName(name)) assert.ok(archiveNameOf(name) !== '' && !name.includes('/'));
    assert.ok(isServerFileName(serverFileName(name)));
  },
];

/** Names of any bytes, wherever a name is taken from outside. */
const names: FuzzTarget = {
  name: 'names',
  refusals: ['invalid'],
  make(random) {
    const repaired = random.below(2) === 0;
    const input = damaged(random, Buffer.from(random.pick(NAMES)));
    const name = repaired ? input.toString('latin1').replace(/[^ -~]/g, '_') : input.toString();
    const read = random.pick(NAME_READERS);
    return { repaired, input, feed: () => read(name) };
  },
};

/** What arrives at the control socket, in pieces; repaired, it is lines of JSON. */
const lines: FuzzTarget = {
  name: 'control-lines',
  refusals: ['invalid', 'too-large'],
  make(random) {
    const request = { version: 1, command: 'snapshot-list', arguments: { group: 'host/web1' } };
    const { text, repaired } = otherJson(random, request);
    const input = Buffer.concat([text, Buffer.from('\n')]);
    const feed = () => {
      const splitter = new LineSplitter(random.pick([10, 1000]));
      for (let at = 0, end = 0; at < input.length; at = end) {
        end = at + random.between(1, 50);
        const piece = input.subarray(at, end);
        for (const line of splitter.push(piece)) parseLine(line);
      }
    };
    return { repaired, input, feed };
  },
};

export const TEXT_FORMATS: readonly FuzzTarget[] = [manifests, names, lines];
