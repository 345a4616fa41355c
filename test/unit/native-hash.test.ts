import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { digestHex } from '../../src/core/digest.js';
import { crc32, Sha256, sha256, sha256Sync, sipHash24 } from '../../src/native/hash.js';

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

test('SHA-256 of the FIPS 180-2 examples', async () => {
  const vectors: [Buffer, string][] = [
    [bytesOf(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [bytesOf('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      bytesOf('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'),
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
    [Buffer.alloc(1_000_000, 'a'), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
    [Buffer.alloc(4 << 20), 'bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8'],
  ];
  for (const [bytes, hex] of vectors) {
    assert.equal(digestHex(sha256Sync(bytes)), hex);
    assert.equal(digestHex(await sha256(bytes)), hex);
  }
});

test('SHA-256 in pieces is that of the whole, and begins afresh', () => {
  const hash = new Sha256();
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (pieces) => {
      for (const piece of pieces) hash.update(piece);
      assert.equal(digestHex(hash.digest()), createHash('sha256').update(Buffer.concat(pieces)).digest('hex'));
    }),
  );
});

test('many digests at once each get their own', async () => {
  const inputs = Array.from({ length: 200 }, (_, at) => randomBytes(at * 37));
  const digests = await Promise.all(inputs.map((bytes) => sha256(bytes)));
  for (const [at, bytes] of inputs.entries()) {
    assert.equal(digestHex(digests[at] as Uint8Array), createHash('sha256').update(bytes).digest('hex'));
  }
});

test('CRC32 is that of zlib, also in pieces', () => {
  assert.equal(crc32(bytesOf('123456789')), 0xcbf43926);
  assert.equal(crc32(Buffer.alloc(0)), 0);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (first, second) => {
      const whole = Buffer.concat([first, second]);
      assert.equal(crc32(second, crc32(first)), crc32(whole));
      assert.equal(crc32(whole), zlibCrc32(whole));
    }),
  );
});

test('SipHash-2-4 of the vectors of pbs-format A.5', () => {
  const vectors: Record<string, bigint> = {
    a: 0x0c26e9067c2c7bcfn,
    b: 0x4d1da3f512e8c733n,
    etc: 0xd0c229edbd411e9an,
    'hello.txt': 0x9b1ee0b84c66190cn,
    '': 0x76614015f8d1bb6cn,
  };
  for (const [name, hash] of Object.entries(vectors)) assert.equal(sipHash24(bytesOf(name)), hash, name);
  const key = { k0: 0x0706050403020100n, k1: 0x0f0e0d0c0b0a0908n };
  assert.equal(sipHash24(Buffer.from('000102030405060708090a0b0c0d0e', 'hex'), key), 0xa129ca6149be45e5n);
});

test('wrong arguments are refused', async () => {
  assert.throws(() => sha256Sync('abc' as unknown as Uint8Array), TypeError);
  await assert.rejects(sha256(new Uint16Array(4) as unknown as Uint8Array), TypeError);
  assert.throws(() => crc32(Buffer.alloc(1), -1), RangeError);
  assert.throws(() => new Sha256().update(undefined as unknown as Uint8Array), TypeError);
});
