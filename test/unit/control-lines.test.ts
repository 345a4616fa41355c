import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { LineSplitter } from '../../src/control/lines.js';
import { CairnError } from '../../src/core/errors.js';

test('lines come out whole, however the bytes are cut', () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\n', ' '));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat({ max: 60 })), (lines, lengths) => {
      const splitter = new LineSplitter(10_000);
      let rest = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const got: string[] = [];
      for (const length of [...lengths, rest.length]) {
        got.push(...splitter.push(rest.subarray(0, length)));
        rest = rest.subarray(length);
      }
      assert.deepEqual(got, lines);
    }),
  );
});

test('a line over the limit is refused before it is complete', () => {
  const tooLarge = (error: unknown) => error instanceof CairnError && error.kind === 'too-large';
  assert.deepEqual([...new LineSplitter(3).push(Buffer.from('abc\nabc\n'))], ['abc', 'abc']);
  assert.throws(() => [...new LineSplitter(3).push(Buffer.from('abcd\n'))], tooLarge);
  const splitter = new LineSplitter(3);
  assert.deepEqual([...splitter.push(Buffer.from('ab'))], []);
  assert.throws(() => [...splitter.push(Buffer.from('cd'))], tooLarge);
});
