import { setImmediate } from 'node:timers/promises';
import type { Log } from '../../src/core/log.js';
import type { Channel } from '../../src/fuse/channel.js';
import { dispatch } from '../../src/fuse/dispatcher.js';
import { Exchange } from '../../src/fuse/exchange.js';
import type { WordView } from '../../src/fuse/wire/integers.js';
import type { Vfs } from '../../src/vfs/api.js';

/** One answer as the kernel would get it. */
export interface FakeAnswer {
  readonly unique: number;
  readonly errno: number;
  readonly payload: Buffer;
}

/** Lays out little-endian fields: `u32`, `u64`, or bytes as they are. */
export function fields(...parts: ([bits: 32 | 64, value: number | bigint] | Uint8Array | string)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(part, 'latin1');
      if (part instanceof Uint8Array) return part;
      const bytes = Buffer.alloc(part[0] / 8);
      if (part[0] === 64) bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(part[1])));
      else bytes.writeUInt32LE(Number(part[1]));
      return bytes;
    }),
  );
}

export const u32 = (value: number): [32, number] => [32, value];
export const u64 = (value: number | bigint): [64, number | bigint] => [64, value];

export interface FakeRequest {
  readonly opcode: number;
  readonly body?: Buffer;
  readonly node?: number | bigint;
  readonly uid?: number;
  readonly gid?: number;
  readonly pid?: number;
}

/** Memory as a session's: bytes and the same as words. */
export function wordView(bytes: number): WordView {
  const buffer = new ArrayBuffer(bytes);
  return { bytes: Buffer.from(buffer), words: new Uint32Array(buffer) };
}

/** What a READ was answered with, by kind: `zeros 5`. */
type ReadLog = string[];

/** A kernel and session in one: requests go in, answers are kept. */
export class FakeKernel implements Channel {
  readonly request = wordView(1 << 17);
  readonly answer = wordView((1 << 20) + 4096);
  readonly answers: FakeAnswer[] = [];
  readonly errors: string[] = [];
  /** What was thrown where errors were logged. */
  readonly thrown: unknown[] = [];
  readonly exchange: Exchange;
  /** Pieces of the READ answers sent. */
  readonly reads: ReadLog[] = [];
  /** What was done to WRITE bodies. */
  readonly bodyLog: string[] = [];
  /** Refuse what is sent, as for an aborted request. */
  aborted = false;
  /** How many chunk pieces are still to fail. */
  missingChunks = 0;
  readonly bodies = {
    copyInto: (_: unknown, offset: number) => void this.bodyLog.push(`copy to ${offset}`),
    keep: () => void this.bodyLog.push('keep'),
    copyKept: (unique: number, _: unknown, offset: number) =>
      void this.bodyLog.push(`copy kept ${unique} to ${offset}`),
    discardKept: (unique: number) => void this.bodyLog.push(`discard ${unique}`),
  };
  #pieces: ReadLog = [];
  readonly readReply = {
    begin: () => {
      this.#pieces = [];
    },
    addZeros: (length: number) => void this.#pieces.push(`zeros ${length}`),
    addChunk: (_: unknown, at: number, length: number) => {
      this.#pieces.push(`chunk ${at}+${length}`);
      return --this.missingChunks < 0;
    },
    addFile: (descriptor: number, at: number, length: number) =>
      void this.#pieces.push(`file ${descriptor} ${at}+${length}`),
    addDraft: (_: unknown, at: number, length: number) => {
      this.#pieces.push(`draft ${at}+${length}`);
      return true;
    },
    addBytes: (bytes: Uint8Array) => void this.#pieces.push(`bytes ${Buffer.from(bytes)}`),
    send: (unique: number) => {
      this.reads.push(this.#pieces);
      return this.reply(unique, 0, 0);
    },
  };
  /** Threads that are about to die. */
  readonly dying = new Set<number>();
  #unique = 0;

  constructor(vfs: Vfs) {
    const log: Log = {
      debug() {},
      info() {},
      warn: (_, message) => void this.errors.push(message),
      error: (fields, message) => {
        this.errors.push(message);
        if ('error' in fields) this.thrown.push(fields.error);
      },
    };
    this.exchange = new Exchange(vfs, this, log, (tid) => this.dying.has(tid));
  }

  reply(unique: number, errno: number, payloadBytes: number): boolean {
    if (this.answers.some((answer) => answer.unique === unique)) throw new Error(`${unique} is answered already`);
    this.answers.push({ unique, errno, payload: Buffer.from(this.answer.bytes.subarray(16, 16 + payloadBytes)) });
    return !this.aborted;
  }

  /** Delivers a request; gives its unique. */
  send({ opcode, body = Buffer.alloc(0), node = 1, uid = 0, gid = 0, pid = 0 }: FakeRequest): number {
    this.#unique += 2;
    const unique = this.#unique;
    const header = fields(
      u32(40 + body.length),
      u32(opcode),
      u64(unique),
      u64(node),
      u32(uid),
      u32(gid),
      u32(pid),
      u32(0),
    );
    this.request.bytes.fill(0xee);
    header.copy(this.request.bytes);
    body.copy(this.request.bytes, 40);
    dispatch(this.exchange, opcode, 40 + body.length);
    // Whoever still looks at the request sees that it has gone.
    this.request.bytes.fill(0xdd);
    return unique;
  }

  /** Delivers a request and gives its answer, which may come a little later. */
  async ask(request: FakeRequest): Promise<FakeAnswer> {
    const unique = this.send(request);
    for (let turn = 0; turn < 50; turn++) {
      const answer = this.answers.find((candidate) => candidate.unique === unique);
      if (answer !== undefined) return answer;
      await setImmediate();
    }
    throw new Error(`Request ${unique} was not answered`);
  }
}
