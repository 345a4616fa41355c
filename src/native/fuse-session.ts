import type { Digest } from '../core/digest.js';
import { addon } from './addon.js';
import { requireBytes, requireDigest, requireInteger } from './check.js';
import type { Draft, DraftHandle } from './draft.js';

type SessionHandle = object;

interface FuseSessionFunctions {
  fuseOpen(descriptor: number, maxBodyBytes: number): SessionHandle;
  fuseStart(
    session: SessionHandle,
    onRequest: (opcode: number, length: number, index: number) => void,
    onBatch: (() => void) | undefined,
    onReadFailure: ((descriptor: number, offset: number, errno: number) => void) | undefined,
    onEnd: (errno: number) => void,
  ): void;
  fuseReplyBuffer(session: SessionHandle): Buffer;
  fuseRequestBuffer(session: SessionHandle): Buffer;
  fuseReply(session: SessionHandle, unique: number, errno: number, payloadBytes: number): boolean;
  fuseCopyBody(session: SessionHandle, draft: DraftHandle, offset: number): void;
  fuseKeepBody(session: SessionHandle): void;
  fuseCopyKept(session: SessionHandle, unique: number, draft: DraftHandle, offset: number): void;
  fuseDiscardKept(session: SessionHandle, unique: number): void;
  fuseReadBegin(session: SessionHandle): void;
  fuseReadZeros(session: SessionHandle, length: number): void;
  fuseReadChunk(session: SessionHandle, digest: Digest, at: number, length: number): boolean;
  fuseReadFile(session: SessionHandle, descriptor: number, at: number, length: number): void;
  fuseReadDraft(session: SessionHandle, draft: DraftHandle, at: number, length: number): boolean;
  fuseReadBytes(session: SessionHandle, bytes: Uint8Array): void;
  fuseReadSend(session: SessionHandle, unique: number): boolean;
  fuseInvalidateEntry(session: SessionHandle, low: number, high: number, name: Uint8Array): void;
  fuseInvalidateInode(session: SessionHandle, low: number, high: number, offset: number, length: number): void;
  fuseCounters(session: SessionHandle): FuseCounters;
  fusePause(session: SessionHandle): void;
  fuseResume(session: SessionHandle): void;
  fuseClose(session: SessionHandle): void;
}

const native = addon as FuseSessionFunctions;

/** Bytes before an answer's payload: room for the protocol's header. */
export const REPLY_HEADER_BYTES = 16;

const MAX_ERRNO = 511;
const MAX_PIECE_BYTES = 1 << 30;

/** Memory of the addon, and the same as aligned 32-bit words in the machine's order. */
export interface FuseMemory {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
}

/** What a session calls, all on its own thread. */
export interface FuseSessionCallbacks {
  /** A request of `length` bytes is in `session.request` until this returns. Must not throw. */
  onRequest(opcode: number, length: number): void;
  /** The requests of one wake-up are done: a place for a little other work. */
  onBatch?(): void;
  /** A READ was answered with EIO: the file ended too early (errno 0) or pread(2) failed. */
  onReadFailure?(descriptor: number, offset: number, errno: number): void;
  /** The mount has gone (ENODEV) or reading failed; nothing comes any more. */
  onEnd(errno: number): void;
}

/** Counts since the session was opened. Each request is answered once: `requests = replies + unanswered` at rest. */
export interface FuseCounters {
  /** Requests that wait for an answer. */
  readonly requests: number;
  readonly replies: number;
  /** Answers the kernel refused as malformed; always a defect. */
  readonly refused: number;
  /** Messages that want no answer: FORGET, BATCH_FORGET, INTERRUPT. */
  readonly forgets: number;
  /** Requests whose handler returned without an answer and that still wait. */
  readonly unanswered: number;
  /** WRITE bodies kept beyond their call. */
  readonly keptBodies: number;
}

/** Bodies of WRITE requests, which stay in the addon. */
export class FuseBodies {
  readonly #session: SessionHandle;

  constructor(session: SessionHandle) {
    this.#session = session;
  }

  /** Copies the current request's body into the draft. */
  copyInto(draft: Draft, offset: number): void {
    requireInteger(offset, 'offset');
    native.fuseCopyBody(this.#session, draft.handle, offset);
  }

  /** Makes the current request's body outlive its handler; `unique` names it from then on. */
  keep(): void {
    native.fuseKeepBody(this.#session);
  }

  copyKept(unique: number, draft: Draft, offset: number): void {
    requireInteger(offset, 'offset');
    native.fuseCopyKept(this.#session, unique, draft.handle, offset);
  }

  /** Gives a kept body's memory back; nothing happens where there is none. */
  discardKept(unique: number): void {
    native.fuseDiscardKept(this.#session, unique);
  }
}

/**
 * The answer to one READ, put together from pieces without their bytes passing through JavaScript: `begin`, pieces in
 * order, `send`.
 */
export class FuseReadReply {
  readonly #session: SessionHandle;

  constructor(session: SessionHandle) {
    this.#session = session;
  }

  begin(): void {
    native.fuseReadBegin(this.#session);
  }

  addZeros(length: number): void {
    requireInteger(length, 'length', 0, MAX_PIECE_BYTES);
    native.fuseReadZeros(this.#session, length);
  }

  /** @return false where the chunk is not in the chunk cache (any more): begin again */
  addChunk(digest: Digest, at: number, length: number): boolean {
    requireDigest(digest);
    requirePiece(at, length);
    return native.fuseReadChunk(this.#session, digest, at, length);
  }

  /**
   * Bytes of an open file; then a pool thread reads and answers.
   * The descriptor may be closed once this has returned (it is duplicated).
   */
  addFile(descriptor: number, at: number, length: number): void {
    requirePiece(at, length);
    native.fuseReadFile(this.#session, descriptor, at, length);
  }

  /** @return false where the range is not wholly dirty (any more): begin again */
  addDraft(draft: Draft, at: number, length: number): boolean {
    requirePiece(at, length);
    return native.fuseReadDraft(this.#session, draft.handle, at, length);
  }

  /** Copies the bytes. */
  addBytes(bytes: Uint8Array): void {
    requireBytes(bytes, 'bytes');
    native.fuseReadBytes(this.#session, bytes);
  }

  /** Answers the request, from here or from the pool. @return false where the kernel did not take it */
  send(unique: number): boolean {
    return native.fuseReadSend(this.#session, unique);
  }
}

/**
 * Serves one mount's /dev/fuse descriptor on this thread's event loop. Knows nothing of what requests mean. Ends with
 * `close` or with the thread, whichever comes first; then the mount is aborted where it is still there.
 */
export class FuseSession {
  /** Where payloads are written, from REPLY_HEADER_BYTES on; only until `reply` is called. */
  readonly answer: FuseMemory;
  readonly bodies: FuseBodies;
  readonly readReply: FuseReadReply;
  readonly #handle: SessionHandle;
  readonly #requests: FuseMemory[] = [];
  #request: FuseMemory;

  /**
   * @param descriptor of /dev/fuse, non-blocking; the session closes it
   * @param maxBodyBytes the max_write that will be negotiated
   */
  constructor(descriptor: number, maxBodyBytes: number) {
    requireInteger(descriptor, 'descriptor');
    requireInteger(maxBodyBytes, 'maxBodyBytes', 4096, MAX_PIECE_BYTES);
    this.#handle = native.fuseOpen(descriptor, maxBodyBytes);
    this.answer = memory(native.fuseReplyBuffer(this.#handle));
    this.bodies = new FuseBodies(this.#handle);
    this.readReply = new FuseReadReply(this.#handle);
    this.#request = this.answer;
  }

  /** The request being handled; only until its handler returns. */
  get request(): FuseMemory {
    return this.#request;
  }

  /** Begins to read requests. Once. The session stays alive until `close`. */
  start(callbacks: FuseSessionCallbacks): void {
    native.fuseStart(
      this.#handle,
      (opcode, length, index) => {
        this.#request = this.#requests[index] ??= memory(native.fuseRequestBuffer(this.#handle));
        callbacks.onRequest(opcode, length);
      },
      callbacks.onBatch && (() => callbacks.onBatch?.()),
      callbacks.onReadFailure && ((descriptor, offset, errno) => callbacks.onReadFailure?.(descriptor, offset, errno)),
      (errno) => callbacks.onEnd(errno),
    );
  }

  /**
   * Answers a request: with `payloadBytes` of `answer`, or with an errno (positive; then no payload).
   * @return false where the kernel did not take it as it is: the request was aborted
   * @throws {Error} for a request that does not wait for an answer
   */
  reply(unique: number, errno: number, payloadBytes: number): boolean {
    requireInteger(errno, 'errno', 0, MAX_ERRNO);
    requireInteger(payloadBytes, 'payloadBytes', 0, this.answer.bytes.length - REPLY_HEADER_BYTES);
    return native.fuseReply(this.#handle, unique, errno, payloadBytes);
  }

  /** Tells the kernel, from a thread of its own, that an entry changed. Node ids come as 32-bit halves. */
  invalidateEntry(parentLow: number, parentHigh: number, name: Uint8Array): void {
    native.fuseInvalidateEntry(this.#handle, parentLow, parentHigh, name);
  }

  /** As above, for attributes and cached bytes; offset -1: attributes only; length 0: to the end. */
  invalidateInode(nodeLow: number, nodeHigh: number, offset: number, length: number): void {
    requireInteger(offset, 'offset', -1);
    requireInteger(length, 'length');
    native.fuseInvalidateInode(this.#handle, nodeLow, nodeHigh, offset, length);
  }

  counters(): FuseCounters {
    return native.fuseCounters(this.#handle);
  }

  /** Reads no requests until `resume`; the kernel keeps them. Idempotent. */
  pause(): void {
    native.fusePause(this.#handle);
  }

  resume(): void {
    native.fuseResume(this.#handle);
  }

  /** Stops for good and closes the descriptor. Idempotent. */
  close(): void {
    native.fuseClose(this.#handle);
  }
}

function memory(bytes: Buffer): FuseMemory {
  return { bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2) };
}

function requirePiece(at: number, length: number): void {
  requireInteger(at, 'at');
  requireInteger(length, 'length', 0, MAX_PIECE_BYTES);
}
