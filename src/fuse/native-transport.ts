import { constants } from 'node:os';
import type { Log } from '../core/log.js';
import type { ByteRange } from '../core/ranges.js';
import { FuseSession } from '../native/fuse-session.js';
import type { NodeId, Vfs } from '../vfs/api.js';
import { dispatch } from './dispatcher.js';
import { Exchange, type IsDying } from './exchange.js';
import type { Transport, TransportCounters, TransportEnd } from './transport.js';
import { nodeHigh, nodeLow, ROOT_NODE_LOW, sameNode } from './wire/nodes.js';
import { MAX_WRITE_BYTES } from './wire/session.js';

export interface NativeTransportOptions {
  /** The /dev/fuse descriptor of `mountFuse`; the transport closes it. */
  readonly descriptor: number;
  readonly vfs: Vfs;
  readonly log: Log;
  /** Looks whether an interrupted caller is about to die; without it nobody's request is given up. */
  readonly isDying?: IsDying;
  /** Called after the requests of each wake-up: the place to apply other threads' changes, briefly. */
  readonly afterBatch?: () => void;
}

/** Largest READ to mount with (`mountFuse`). */
export const MAX_READ_BYTES = MAX_WRITE_BYTES;

/** A transport that speaks the kernel's own protocol over /dev/fuse (design §6). */
export function createNativeTransport(options: NativeTransportOptions): Transport {
  return new NativeTransport(options);
}

/** A notification that waits until no unanswered request may hold the locks it takes. */
interface Invalidation {
  readonly node: NodeId;
  send(low: number, high: number): void;
}

class NativeTransport implements Transport {
  readonly ended: Promise<TransportEnd>;
  readonly #session: FuseSession;
  readonly #exchange: Exchange;
  readonly #log: Log;
  readonly #afterBatch: (() => void) | undefined;
  readonly #root: NodeId;
  #waiting: Invalidation[] = [];
  #resolveEnded!: (end: TransportEnd) => void;
  #reason: TransportEnd['reason'] | undefined;

  constructor(options: NativeTransportOptions) {
    this.#session = new FuseSession(options.descriptor, MAX_WRITE_BYTES);
    this.#exchange = new Exchange(options.vfs, this.#session, options.log, options.isDying);
    this.#log = options.log;
    this.#afterBatch = options.afterBatch;
    this.#root = options.vfs.root;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#exchange.onSettled = () => this.#settled();
  }

  start(): void {
    const exchange = this.#exchange;
    const afterBatch = this.#afterBatch;
    this.#session.start({
      onRequest: (opcode, length) => dispatch(exchange, opcode, length),
      ...(afterBatch && { onBatch: () => this.#runAfterBatch(afterBatch) }),
      onReadFailure: (descriptor, offset, errno) => {
        const what = errno === 0 ? 'ends too early' : `cannot be read (errno ${errno})`;
        this.#log.error({ descriptor, offset, errno }, `A file that holds data ${what} at offset ${offset}`);
      },
      onEnd: (errno) => this.#end(errno === constants.errno.ENODEV ? 'unmounted' : 'failed', errno),
    });
  }

  pause(): void {
    this.#session.pause();
  }

  resume(): void {
    this.#session.resume();
  }

  stop(): Promise<TransportEnd> {
    this.#end('stopped', 0);
    return this.ended;
  }

  invalidateEntry(parent: NodeId, name: Uint8Array): void {
    const copy = Buffer.from(name);
    this.#invalidate({
      node: parent,
      send: (low, high) => {
        this.#session.invalidateEntry(low, high, copy);
        // An entry the kernel does not know is not looked up by it either: the folder's cached list of names goes, too.
        this.#session.invalidateInode(low, high, 0, 0);
      },
    });
  }

  invalidateNode(node: NodeId, range?: ByteRange): void {
    const offset = range?.start ?? -1;
    const length = range === undefined ? 0 : range.end - range.start;
    if (range !== undefined && length <= 0) return;
    this.#invalidate({ node, send: (low, high) => this.#session.invalidateInode(low, high, offset, length) });
  }

  counters(): TransportCounters {
    const { requests, replies, unanswered } = this.#session.counters();
    return { requests, replies, unanswered, byOperation: this.#exchange.counts.byOperation() };
  }

  #runAfterBatch(afterBatch: () => void): void {
    try {
      afterBatch();
    } catch (error) {
      this.#log.error({ error }, 'Work between requests failed');
    }
  }

  #invalidate(invalidation: Invalidation): void {
    if (this.#reason !== undefined) return;
    if (this.#exchange.mayBeLocked(invalidation.node)) this.#waiting.push(invalidation);
    else this.#notify(invalidation);
  }

  #notify({ node, send }: Invalidation): void {
    if (sameNode(node, this.#root)) send(ROOT_NODE_LOW, 0);
    else send(nodeLow(node), nodeHigh(node));
  }

  #settled(): void {
    if (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const invalidation of waiting) this.#invalidate(invalidation);
    }
    if (this.#reason !== undefined && this.#exchange.pendingCount === 0) this.#finish();
  }

  #end(reason: TransportEnd['reason'], errno: number): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    if (reason === 'failed') this.#log.error({ errno }, `The FUSE device failed with errno ${errno}`);
    if (reason === 'stopped') this.#session.close();
    if (this.#exchange.pendingCount === 0) this.#finish();
  }

  #finish(): void {
    this.#session.close();
    const counters = this.#session.counters();
    if (this.#reason === 'unmounted' && (counters.unanswered > 0 || counters.refused > 0)) {
      this.#log.error({ ...counters }, 'Not every request of the mount was answered once');
    }
    this.#resolveEnded({ reason: this.#reason!, counters: this.counters() });
  }
}
