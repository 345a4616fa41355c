import type { ReadPiece, WriteBody } from '../../content/transfer.js';
import { CairnError } from '../../core/errors.js';
import { copyCached } from '../../native/chunk-cache.js';
import type { Draft } from '../../native/draft.js';
import { readDescriptor } from '../../native/files.js';
import type { Awaitable, FileOperations, HandleId } from '../../vfs/api.js';

/** How often a read looks its pieces up anew when chunks leave the cache before they are copied. */
const READ_ATTEMPTS = 8;

/** The bytes of a write, which libfuse keeps until the write is answered: nothing has to be kept. */
export class BufferBody implements WriteBody {
  constructor(private readonly bytes: Buffer) {}

  get length(): number {
    return this.bytes.length;
  }

  copyInto(draft: Draft, offset: number): void {
    draft.write(offset, this.bytes);
  }

  keep(): void {}

  discard(): void {}
}

/** Reads from `offset` until `room` is full or the file ends. @returns how many bytes that were */
export async function readInto(files: FileOperations, handle: HandleId, offset: number, room: Buffer): Promise<number> {
  for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
    const length = await copyPieces(await files.read(handle, offset, room.length), room);
    if (length !== undefined) return length;
  }
  throw new CairnError('io', `The bytes at ${offset} left memory ${READ_ATTEMPTS} times before they could be copied`);
}

/** @returns how many bytes there are, or undefined where a piece is not to be had any more */
async function copyPieces(pieces: readonly ReadPiece[], room: Buffer): Promise<number | undefined> {
  // All at once, as the pieces are good for this moment only: reading a file begins here too.
  const copied = pieces.map(bytesOf);
  let length = 0;
  for (const [index, piece] of pieces.entries()) {
    const bytes = await copied[index];
    if (bytes === undefined) return undefined;
    if (bytes === 'zeros') room.fill(0, length, length + piece.length);
    else room.set(bytes, length);
    length += piece.length;
  }
  return length;
}

function bytesOf(piece: ReadPiece): Awaitable<Uint8Array | 'zeros' | undefined> {
  switch (piece.kind) {
    case 'zeros':
      return 'zeros';
    case 'chunk':
      return copyCached(piece.digest, piece.at, piece.length);
    case 'file':
      return wholeRange(piece.descriptor, piece.at, piece.length);
    case 'draft':
      return isDirty(piece.draft, piece.at, piece.length) ? piece.draft.read(piece.at, piece.length) : undefined;
    case 'bytes':
      return piece.bytes;
  }
}

async function wholeRange(descriptor: number, at: number, length: number): Promise<Buffer> {
  const bytes = await readDescriptor(descriptor, at, length);
  if (bytes.length === length) return bytes;
  throw new CairnError('io', `A file that holds data ends too early, at ${at + bytes.length}`);
}

function isDirty(draft: Draft, at: number, length: number): boolean {
  const [covered] = draft.covered(at, at + length);
  return covered !== undefined && covered.start === at && covered.end === at + length;
}
