import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../../src/catalog/change.js';
import { ByteReader } from '../../src/content/journal/byte-reader.js';
import { ByteWriter } from '../../src/content/journal/byte-writer.js';
import { readChange, writeChange } from '../../src/content/journal/change-codec.js';
import { CairnError } from '../../src/core/errors.js';
import { anyChange } from '../support/any-change.js';

function encode(change: Change): Buffer {
  const out = new ByteWriter();
  writeChange(out, change);
  return Buffer.from(out.view());
}

test('readChange() gives back every change that writeChange() wrote', () => {
  fc.assert(
    fc.property(anyChange, (change) => {
      const input = new ByteReader(encode(change));
      assert.deepEqual(readChange(input), change);
      assert.ok(input.atEnd, 'bytes are left over');
    }),
    { numRuns: 2000 },
  );
});

test('readChange() calls every shortened change corrupt', () => {
  fc.assert(
    fc.property(anyChange, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (change, part) => {
      const bytes = encode(change);
      const cut = bytes.subarray(0, Math.floor(bytes.length * part));
      assert.throws(
        () => readChange(new ByteReader(cut)),
        (error) => error instanceof CairnError && error.kind === 'corrupt',
      );
    }),
    { numRuns: 500 },
  );
});

test('readChange() throws nothing but CairnError on bytes of any kind', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        readChange(new ByteReader(bytes));
      } catch (error) {
        assert.ok(error instanceof CairnError, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});
