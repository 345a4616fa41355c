import type { ReadPiece, WriteBody } from '../../content/transfer.js';
import { CairnError } from '../../core/errors.js';
import type { Draft } from '../../native/draft.js';
import type { Awaitable, HandleId, Vfs } from '../../vfs/api.js';
import type { BodyStore, ReadAnswer } from '../channel.js';
import { type Encoding, type Exchange, PAYLOAD } from '../exchange.js';
import { decodeRead, decodeWrite, encodeWritten, type ReadCall } from '../wire/files.js';

/** How often a READ looks its pieces up anew when chunks leave the cache before they are sent. */
const READ_ATTEMPTS = 8;

/** The bytes of one WRITE. They leave the receive buffer only into a draft, or when kept. */
class RequestBody implements WriteBody {
  readonly #bodies: BodyStore;
  readonly #unique: number;
  #kept = false;
  #over = false;

  constructor(
    bodies: BodyStore,
    unique: number,
    readonly length: number,
  ) {
    this.#bodies = bodies;
    this.#unique = unique;
  }

  copyInto(draft: Draft, offset: number): void {
    if (this.#over) throw new Error('A WRITE body was used after its end');
    if (!this.#kept) {
      this.#bodies.copyInto(draft, offset);
      return;
    }
    this.#bodies.copyKept(this.#unique, draft, offset);
    this.discard();
  }

  keep(): void {
    if (this.#over) throw new Error('A WRITE body was kept after its end');
    if (this.#kept) return;
    this.#bodies.keep();
    this.#kept = true;
  }

  discard(): void {
    if (this.#kept && !this.#over) this.#bodies.discardKept(this.#unique);
    this.#over = true;
  }

  /** The call it was given to has returned. */
  returned(): void {
    if (!this.#kept) this.#over = true;
  }
}

const WRITTEN: Encoding<void, number> = { encode: (out, _, size) => encodeWritten(out, PAYLOAD, size) };

export function write(exchange: Exchange): void {
  const { request, vfs, channel } = exchange;
  const { handle, offset, size, killPrivileges, synchronous } = decodeWrite(request);
  const body = new RequestBody(channel.bodies, request.unique, size);
  try {
    const caller = request.caller();
    const outcome = vfs.files.write(caller, handle, offset, body, killPrivileges);
    body.returned();
    const taken = outcome instanceof Promise ? outcome.finally(() => body.discard()) : outcome;
    exchange.answer(synchronous ? synced(vfs, handle, taken) : taken, WRITTEN, size, caller);
  } catch (error) {
    body.discard();
    throw error;
  }
}

/** Where bytes do not go through its pages the kernel sends no FSYNC behind a synchronous write. */
async function synced(vfs: Vfs, handle: HandleId, written: Awaitable<void>): Promise<void> {
  await written;
  await vfs.files.sync(handle, false);
}

export function read(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const { unique } = request;
  const call = decodeRead(request);
  // No file reaches as far as an offset that is not exact.
  const pieces = Number.isSafeInteger(call.offset) ? vfs.files.read(call.handle, call.offset, call.size) : [];
  if (!(pieces instanceof Promise) && sendPieces(exchange.channel.readReply, unique, pieces)) return;
  exchange.later(readLater(exchange, unique, call, pieces));
}

/** As often as a chunk has gone before it could be sent, its pieces are looked up anew. */
async function readLater(
  exchange: Exchange,
  unique: number,
  call: ReadCall,
  first: readonly ReadPiece[] | Promise<readonly ReadPiece[]>,
): Promise<void> {
  const { channel, vfs } = exchange;
  let pieces = await first;
  for (let attempt = 1; exchange.isAwaited(unique) && !sendPieces(channel.readReply, unique, pieces); attempt++) {
    if (attempt === READ_ATTEMPTS) {
      throw new CairnError('io', `The bytes at ${call.offset} left memory ${attempt} times before they could be sent`);
    }
    pieces = await vfs.files.read(call.handle, call.offset, call.size);
  }
}

/** Answers with the pieces. @return false, with nothing sent, where one is not to be had any more */
function sendPieces(answer: ReadAnswer, unique: number, pieces: readonly ReadPiece[]): boolean {
  answer.begin();
  for (const piece of pieces) {
    if (!addPiece(answer, piece)) return false;
  }
  answer.send(unique);
  return true;
}

function addPiece(answer: ReadAnswer, piece: ReadPiece): boolean {
  switch (piece.kind) {
    case 'chunk':
      return answer.addChunk(piece.digest, piece.at, piece.length);
    case 'draft':
      return answer.addDraft(piece.draft, piece.at, piece.length);
    case 'zeros':
      answer.addZeros(piece.length);
      return true;
    case 'file':
      answer.addFile(piece.descriptor, piece.at, piece.length);
      return true;
    case 'bytes':
      answer.addBytes(piece.bytes);
      return true;
  }
}
