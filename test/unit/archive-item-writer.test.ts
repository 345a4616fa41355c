import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMIT_BYTES, ItemWriter } from '../../src/archive/item-writer.js';

test('ItemWriter hands on what was written when an item meets the end of a piece', () => {
  const name = Buffer.from('name');
  for (let before = EMIT_BYTES - name.length - 2; before <= EMIT_BYTES; before += 1) {
    const pieces: Uint8Array[] = [];
    const writer = new ItemWriter((bytes) => pieces.push(bytes));
    const filler = Buffer.alloc(before, 0xee);
    writer.bytes(filler);
    writer.terminated(name);
    writer.u64(0x010203040506);
    writer.flush();
    const wanted = Buffer.concat([filler, name, Buffer.of(0), Buffer.from('0605040302010000', 'hex')]);
    assert.ok(Buffer.concat(pieces).equals(wanted), `${before} bytes before the name`);
  }
});
