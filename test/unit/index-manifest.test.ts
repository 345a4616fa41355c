import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { kindOf } from '../../src/core/errors.js';
import { canonicalJson } from '../../src/index/canonical-json.js';
import {
  buildManifest,
  type ManifestParts,
  manifestFile,
  manifestText,
  parseManifest,
  signatureFits,
  signManifest,
  withUnprotected,
} from '../../src/index/manifest.js';

const ID_KEY = Buffer.from('758495a21c31047f543f46d694700e02d168568bab37bb0ceece947b591f5100', 'hex');
const parts: ManifestParts = {
  type: 'host',
  id: 'elsa',
  time: 1_593_179_765,
  files: [
    { filename: 'test1.img.fidx', cryptMode: 'encrypt', size: 200, checksum: Buffer.alloc(32, 1) },
    { filename: 'abc.blob', cryptMode: 'none', size: 200, checksum: Buffer.alloc(32, 2) },
  ],
};

test('the manifest of pbs-format A.6 has the canonical form and signature given there', () => {
  const manifest = signManifest(buildManifest(parts), ID_KEY);
  assert.equal(manifest.signature, 'd7b446fb7db081662081d4b40fedd858a1d6307a5aff4ecff7d5bf4fd35679e9');
  const { signature: _s, unprotected: _u, ...signed } = manifest.document;
  assert.equal(
    canonicalJson(signed),
    '{"backup-id":"elsa","backup-time":1593179765,"backup-type":"host","files":[{"crypt-mode":"encrypt","csum":"' +
      `${'01'.repeat(32)}","filename":"test1.img.fidx","size":200},{"crypt-mode":"none","csum":"${'02'.repeat(32)}",` +
      '"filename":"abc.blob","size":200}]}',
  );
  assert.ok(signatureFits(manifest, ID_KEY));
});

test('a signature covers all but the unprotected part', () => {
  const manifest = signManifest(buildManifest(parts), ID_KEY);
  const noted = withUnprotected(manifest, { notes: 'kept', verify_state: { state: 'ok' } });
  assert.ok(signatureFits(parseManifest(manifestText(noted)), ID_KEY));
  assert.ok(!signatureFits(manifest, Buffer.alloc(32)));
  assert.ok(!signatureFits(buildManifest(parts), ID_KEY));
  const forged = { ...noted.document, 'backup-id': 'anna' };
  assert.ok(!signatureFits(parseManifest(Buffer.from(JSON.stringify(forged))), ID_KEY));
  assert.ok(!signatureFits({ ...manifest, signature: 'not hex' }, ID_KEY));
});

test('what was built reads back', () => {
  const manifest = buildManifest({ ...parts, unprotected: { notes: 'Ünïcode\n' } });
  const read = parseManifest(manifestText(manifest));
  assert.deepEqual([read.type, read.id, read.time], ['host', 'elsa', 1_593_179_765]);
  assert.deepEqual(
    read.files.map((file) => ({ ...file, checksum: Buffer.from(file.checksum) })),
    parts.files,
  );
  assert.deepEqual(read.unprotected, { notes: 'Ünïcode\n' });
  assert.equal(manifestFile(read, 'abc.blob').size, 200);
  assert.throws(() => manifestFile(read, 'abc'), { kind: 'not-found' });
});

const foreign = {
  'backup-type': 'vm',
  'backup-id': '100',
  'backup-time': 1_700_000_000,
  files: [{ filename: 'drive-scsi0.img.fidx', size: 4_194_304, csum: 'ab'.repeat(32), later: 1 }],
  future: { key: [1, 2] },
  unprotected: { chunk_upload_stats: { count: 1 }, unknown: ['x'], 'key-fingerprint': 'aa:bb' },
};
const bytes = (document: unknown): Buffer => Buffer.from(JSON.stringify(document));

test('unknown keys survive, absent ones have their defaults', () => {
  const read = parseManifest(bytes(foreign));
  assert.equal(read.files[0]?.cryptMode, 'none');
  assert.equal(read.signature, undefined);
  assert.deepEqual(JSON.parse(manifestText(read).toString()), foreign);
  const noted = withUnprotected(read, { ...read.unprotected, notes: 'n' });
  const again = JSON.parse(manifestText(noted).toString());
  assert.deepEqual(again, { ...foreign, unprotected: { ...foreign.unprotected, notes: 'n' } });
  assert.deepEqual(parseManifest(bytes({ ...foreign, unprotected: null })).unprotected, {});
  const { unprotected: _, ...bare } = foreign;
  assert.deepEqual(parseManifest(bytes(bare)).unprotected, {});
});

test('manifests that are none are corrupt', () => {
  const file = foreign.files[0];
  const wrong: unknown[] = [
    null,
    [],
    'text',
    {},
    { ...foreign, 'backup-type': 'tape' },
    { ...foreign, 'backup-id': '../x' },
    { ...foreign, 'backup-id': '' },
    { ...foreign, 'backup-time': 1.5 },
    { ...foreign, 'backup-time': -1 },
    { ...foreign, 'backup-time': 253_402_300_800 },
    { ...foreign, files: {} },
    { ...foreign, files: [file, file] },
    { ...foreign, files: [{ ...file, size: -1 }] },
    { ...foreign, files: [{ ...file, size: 2 ** 53 }] },
    { ...foreign, files: [{ ...file, csum: 'AB'.repeat(32) }] },
    { ...foreign, files: [{ ...file, csum: 'ab' }] },
    { ...foreign, files: [{ ...file, 'crypt-mode': 'rot13' }] },
    { ...foreign, unprotected: 'x' },
    { ...foreign, signature: 5 },
    ...['../x.didx', 'a/b.didx', '.didx', 'x.txt', 'index.json.blob', ''].map((filename) => ({
      ...foreign,
      files: [{ ...file, filename }],
    })),
  ];
  for (const document of wrong) {
    assert.throws(() => parseManifest(bytes(document)), { kind: 'corrupt' }, JSON.stringify(document));
  }
  assert.throws(() => parseManifest(Buffer.from('{')), { kind: 'corrupt' });
  assert.throws(() => parseManifest(Buffer.from([0xff, 0x22])), { kind: 'corrupt' });
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const text = JSON.stringify({ ...foreign, unprotected: { deep: 'DEEP' } }).replace('"DEEP"', deep);
  assert.throws(() => parseManifest(Buffer.from(text)), { kind: 'corrupt' });
});

test('what PBS writes beside the list may be listed by others, but not by us', () => {
  const log = { filename: 'client.log.blob', size: 1, csum: 'ab'.repeat(32) };
  assert.equal(parseManifest(bytes({ ...foreign, files: [log] })).files.length, 1);
  const entry = { filename: 'client.log.blob', cryptMode: 'none' as const, size: 1, checksum: Buffer.alloc(32, 1) };
  assert.throws(() => buildManifest({ ...parts, files: [entry] }), { kind: 'invalid' });
  assert.throws(() => buildManifest({ ...parts, id: 'a b' }), { kind: 'invalid' });
  assert.throws(() => buildManifest({ ...parts, files: [...parts.files, ...parts.files] }), { kind: 'invalid' });
});

test('any bytes, and any change of a manifest, give a manifest or corrupt', () => {
  const text = bytes(foreign);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(text.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const copy = Buffer.from(text);
      for (const [at, value] of changes) copy[at] = value;
      assertManifestOrCorrupt(copy);
    }),
    { seed: 5, numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.jsonValue(), fc.uint8Array(), (value, random) => {
      assertManifestOrCorrupt(bytes(value));
      assertManifestOrCorrupt(random);
      assertManifestOrCorrupt(bytes({ ...foreign, unprotected: { value }, extra: value }));
    }),
    { seed: 6 },
  );
});

function assertManifestOrCorrupt(text: Uint8Array): void {
  try {
    const manifest = parseManifest(text);
    assert.deepEqual(parseManifest(manifestText(manifest)), manifest);
  } catch (error) {
    assert.equal(kindOf(error), 'corrupt', String((error as Error).stack));
  }
}

test('keys are sorted by their bytes, and null has no canonical form', () => {
  assert.equal(
    canonicalJson({ '\u{1f600}': 1, '\uffff': 2, b: [true, 'x"\n'], a: {} }),
    '{"a":{},"b":[true,"x\\"\\n"],"\uffff":2,"\u{1f600}":1}',
  );
  assert.throws(() => canonicalJson({ a: [null] }), { kind: 'invalid' });
});
