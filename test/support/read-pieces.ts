import assert from 'node:assert/strict';
import { readSync } from 'node:fs';
import type { ReadPiece } from '../../src/content/transfer.js';
import { copyCached } from '../../src/native/chunk-cache.js';

/** The bytes that pieces stand for, as a transport would bring them together. */
export function joinPieces(pieces: readonly ReadPiece[]): Buffer {
  return Buffer.concat(pieces.map(bytesOf));
}

function bytesOf(piece: ReadPiece): Uint8Array {
  switch (piece.kind) {
    case 'zeros':
      return Buffer.alloc(piece.length);
    case 'chunk': {
      const bytes = copyCached(piece.digest, piece.at, piece.length);
      assert.ok(bytes !== undefined, 'the chunk is in the cache');
      return bytes;
    }
    case 'file': {
      const bytes = Buffer.alloc(piece.length);
      assert.equal(readSync(piece.descriptor, bytes, 0, piece.length, piece.at), piece.length);
      return bytes;
    }
    case 'draft':
      return piece.draft.read(piece.at, piece.length);
    case 'bytes':
      return piece.bytes;
  }
}
