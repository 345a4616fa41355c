import type { ByteRange } from '../core/ranges.js';
import type { NodeId } from '../vfs/api.js';

/** Counts since the start; at rest `requests = replies + unanswered`. */
export interface TransportCounters {
  /** Requests of the kernel that wait for an answer. */
  readonly requests: number;
  readonly replies: number;
  /** Requests that are being worked on. */
  readonly unanswered: number;
  /** How often each operation was asked for, by its name in the protocol (`LOOKUP`). */
  readonly byOperation: Readonly<Record<string, number>>;
}

/** Why a transport ended. */
export interface TransportEnd {
  /** `unmounted`: somebody unmounted; `stopped`: `stop` was called; `failed`: the kernel's side broke. */
  readonly reason: 'unmounted' | 'stopped' | 'failed';
  readonly counters: TransportCounters;
}

/**
 * The seam between the kernel and the vfs: delivers a mount's requests to a `Vfs` and takes its answers. Made for one
 * mount that exists already; lives on one thread, the vfs's.
 */
export interface Transport {
  /** Begins to deliver requests. Once. */
  start(): void;
  /**
   * Settles, never with an error, when the mount has gone and everything that was asked is answered. The kernel then
   * holds no references and no handles, whether it gave them back or not.
   */
  readonly ended: Promise<TransportEnd>;
  /** Delivers no requests until `resume`; those under way go on. For a moment only: every user of the mount waits. */
  pause(): void;
  resume(): void;
  /** Cuts the mount off if it is still there: those who use it get errors. Unmount first for a clean end. */
  stop(): Promise<TransportEnd>;
  /**
   * The daemon made, changed or took away the entry `name` of `parent` by itself: the kernel must look again. Queued;
   * leaves after the answers to requests that may hold the folder's lock.
   */
  invalidateEntry(parent: NodeId, name: Uint8Array): void;
  /** The daemon changed the node's attributes by itself, and its bytes in `range` if given (a folder: its list of names). */
  invalidateNode(node: NodeId, range?: ByteRange): void;
  counters(): TransportCounters;
}
