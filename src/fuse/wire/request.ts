import { CairnError } from '../../core/errors.js';
import type { Caller, NodeId } from '../../vfs/api.js';
import { readU64, type WordView } from './integers.js';
import { nodeOfWords, ROOT_NODE_LOW } from './nodes.js';
import { opcodeName } from './opcodes.js';

/** `struct fuse_in_header`: 40 bytes, ten words. */
export const HEADER_BYTES = 40;
/** Index of the first word behind the header: where the operation's own structure begins. */
export const BODY = 10;
/** The longest file name, as statfs tells it. */
export const NAME_MAX_BYTES = 255;
const MODE_BITS = 0o177777;

const EMPTY: WordView = { bytes: Buffer.alloc(0), words: new Uint32Array(0) };

/** Who asks. `interrupted` is made on demand and fires when the kernel sends FUSE_INTERRUPT and the caller is to die. */
export class RequestCaller implements Caller {
  #controller: AbortController | undefined;

  constructor(
    readonly uid: number,
    readonly gid: number,
    readonly pid: number,
  ) {}

  get interrupted(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Nobody waits in earnest any more: the caller is about to die. */
  interrupt(): void {
    this.#controller?.abort(new CairnError('interrupted', 'The caller was interrupted'));
  }
}

/**
 * The request being handled. One object serves all requests, one after the other: nothing of it may be used once the
 * handler has returned, and `name` and the like give copies.
 */
export class Request {
  bytes: Buffer = EMPTY.bytes;
  words: Uint32Array = EMPTY.words;
  /** Bytes of the whole request. */
  length = 0;
  opcode = 0;
  /** Names the request in its answer; below 2^53 (the kernel counts up from 2). */
  unique = 0;
  readonly #root: NodeId;

  /** @param root the node FUSE_ROOT_ID stands for */
  constructor(root: NodeId) {
    this.#root = root;
  }

  /** Looks at the request in `view`. */
  load(view: WordView, opcode: number, length: number): void {
    this.bytes = view.bytes;
    this.words = view.words;
    this.length = length;
    this.opcode = opcode;
    this.unique = readU64(view.words, 2);
  }

  node(): NodeId {
    return this.nodeAt(4);
  }

  /** The node whose id is at a word index. */
  nodeAt(index: number): NodeId {
    const low = this.words[index]!;
    const high = this.words[index + 1]!;
    return high === 0 && low === ROOT_NODE_LOW ? this.#root : nodeOfWords(low, high);
  }

  /** The st_mode at a word index: type and permissions, which are 16 bits. */
  modeAt(index: number): number {
    return this.words[index]! & MODE_BITS;
  }

  /** The thread that asks; 0 where it is in another pid namespace. */
  tid(): number {
    return this.words[8]!;
  }

  caller(): RequestCaller {
    return new RequestCaller(this.words[6]!, this.words[7]!, this.words[8]!);
  }

  /**
   * Requires a structure of `bytes` behind the header.
   * @throws {CairnError} `invalid` where the request is shorter
   */
  expect(bytes: number): void {
    if (this.length < HEADER_BYTES + bytes) throw this.malformed(`is ${this.length} bytes long`);
  }

  /** Where the name that starts at byte `start` ends: the place of its NUL. Not a file name's limits. */
  endOfText(start: number): number {
    const end = this.bytes.indexOf(0, start);
    if (end < 0 || end >= this.length) throw this.malformed('has a name without an end');
    return end;
  }

  /** A copy of the NUL-terminated text that starts at byte `start`. */
  text(start: number): Buffer {
    return Buffer.from(this.bytes.subarray(start, this.endOfText(start)));
  }

  /**
   * A copy of the file name that starts at byte `start`.
   * @throws {CairnError} `name-too-long`; `invalid` where it is empty or not terminated
   */
  name(start: number): Buffer {
    const end = this.endOfText(start);
    if (end === start) throw this.malformed('has an empty name');
    if (end - start > NAME_MAX_BYTES) throw new CairnError('name-too-long', 'The name is longer than 255 bytes');
    return Buffer.from(this.bytes.subarray(start, end));
  }

  malformed(how: string): CairnError {
    return new CairnError('invalid', `The kernel's ${opcodeName(this.opcode)} request ${how}`);
  }
}
