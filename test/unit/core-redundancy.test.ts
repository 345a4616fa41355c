import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../src/core/errors.js';
import {
  formatRedundancy,
  overheadOf,
  parseRedundancy,
  piecesOf,
  toleranceOf,
  writeQuorumOf,
} from '../../src/core/redundancy.js';

test('a redundancy is read, printed, and says what it costs and bears', () => {
  for (const [text, pieces, overhead, tolerance, quorum] of [
    ['single', 1, 1, 0, 1],
    ['mirror:2', 2, 2, 1, 2],
    ['mirror:3', 3, 3, 2, 2],
    ['mirror:255', 255, 255, 254, 2],
    ['ec:2+1', 3, 1.5, 1, 3],
    ['ec:4+2', 6, 1.5, 2, 5],
    ['ec:6+3', 9, 1.5, 3, 7],
    ['ec:8+4', 12, 1.5, 4, 9],
    ['ec:10+4', 14, 1.4, 4, 11],
    ['ec:3+7', 10, 10 / 3, 7, 4],
    ['ec:254+1', 255, 255 / 254, 1, 255],
  ] as const) {
    const redundancy = parseRedundancy(text);
    assert.equal(formatRedundancy(redundancy), text);
    const said = [piecesOf(redundancy), overheadOf(redundancy), toleranceOf(redundancy), writeQuorumOf(redundancy)];
    assert.deepEqual(said, [pieces, overhead, tolerance, quorum], text);
  }
});

test('what is no redundancy is refused with one line that says what is one', () => {
  const bad = [
    '',
    'none',
    'mirror',
    'mirror:',
    'mirror:0',
    'mirror:1',
    'mirror:256',
    'mirror:2.5',
    'ec:',
    'ec:4',
    'ec:1+2',
  ];
  for (const text of [
    ...bad,
    'ec:0+2',
    'ec:4+0',
    'ec:200+56',
    'ec:4+2 ',
    ' ec:4+2',
    'EC:4+2',
    'ec:-4+2',
    'ec:4+2+1',
    '4+2',
  ]) {
    assert.throws(
      () => parseRedundancy(text),
      (error) => error instanceof CairnError && error.kind === 'invalid' && /mirror:N/.test(error.message),
      text,
    );
  }
});
