import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  emptyFilePayload,
  payloadStartMarker,
  payloadTailMarker,
  standingChunks,
} from '../../src/chunk/standing-chunks.js';
import { digestHex } from '../../src/core/digest.js';

test('the markers of a payload stream are headers without content (pbs-format §6.1, §6.5)', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  assert.equal(hex(payloadStartMarker.bytes()), 'd24e4a19c2684c831000000000000000');
  assert.equal(hex(payloadTailMarker.bytes()), 'b5814c988bb7726c1000000000000000');
  assert.equal(hex(emptyFilePayload.bytes()), '251a7c0b1b7a14281000000000000000');
});

test('every standing chunk has the digest and the length of its bytes', () => {
  const chunks = [...standingChunks()];
  for (const { digest, length, bytes } of chunks) {
    assert.equal(bytes().length, length);
    assert.equal(digestHex(digest), createHash('sha256').update(bytes()).digest('hex'));
  }
  assert.equal(new Set(chunks.map((chunk) => digestHex(chunk.digest))).size, 28);
});
