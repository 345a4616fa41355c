import { constants } from 'node:os';
import type { Log } from '../core/log.js';
import { REPLY_HEADER_BYTES } from '../native/fuse-session.js';
import type { Awaitable, NodeId, Vfs } from '../vfs/api.js';
import type { Channel } from './channel.js';
import { errnoOf, isWorthLogging } from './errno.js';
import { RequestCounts } from './request-counts.js';
import type { WordView } from './wire/integers.js';
import { sameNode } from './wire/nodes.js';
import { OPCODE, opcodeName } from './wire/opcodes.js';
import { Request, type RequestCaller } from './wire/request.js';

/** Word index at which an answer's payload begins. */
export const PAYLOAD = REPLY_HEADER_BYTES / 4;

/** How the outcome of a call becomes an answer: static objects, one per kind of answer. */
export interface Encoding<T, C> {
  /**
   * Writes the payload at `PAYLOAD`.
   * @return its length in bytes, or an errno as a negative number
   */
  encode(out: WordView, value: T, context: C): number;
  /** The kernel did not get the answer: takes back what it would have owned. */
  undo?(vfs: Vfs, value: T, context: C): void;
}

/** A request whose answer comes later. */
interface Pending {
  readonly unique: number;
  readonly opcode: number;
  readonly node: NodeId;
  readonly tid: number;
  readonly caller: RequestCaller | undefined;
  /** Answered because nobody waits any more, though its outcome is still to come. */
  abandoned: boolean;
}

/** Whether a thread is about to die of a signal. */
export type IsDying = (tid: number) => boolean;

/** How often it is looked whether an interrupted caller is to die after all: the kernel tells of the first signal only. */
const LOOK_MILLISECONDS = 200;

/** Requests that leave nothing behind: one whose caller dies is answered at once, whatever it waits for. */
const READING: ReadonlySet<number> = new Set([
  ...[OPCODE.LOOKUP, OPCODE.GETATTR, OPCODE.STATX, OPCODE.READLINK, OPCODE.READ, OPCODE.LSEEK, OPCODE.STATFS],
  ...[OPCODE.READDIR, OPCODE.READDIRPLUS, OPCODE.GETXATTR, OPCODE.LISTXATTR, OPCODE.FSYNC, OPCODE.FSYNCDIR],
]);

/** An answer without a payload. */
const EMPTY: Encoding<unknown, undefined> = { encode: () => 0 };

/**
 * The request at hand and the ways to answer it. Each request is answered once: at once where the outcome is there,
 * else when its promise settles. One thread.
 */
export class Exchange {
  readonly request: Request;
  readonly counts = new RequestCounts();
  /** SETXATTR requests carry their extended structure (negotiated by INIT). */
  extendedSetXattr = false;
  readonly #pending = new Map<number, Pending>();
  #onSettled: () => void = () => {};

  constructor(
    readonly vfs: Vfs,
    readonly channel: Channel,
    readonly log: Log,
    private readonly isDying: IsDying = () => false,
  ) {
    this.request = new Request(vfs.root);
  }

  /** Requests that wait for a promise. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Called whenever a request that waited has been answered. */
  set onSettled(listener: () => void) {
    this.#onSettled = listener;
  }

  /**
   * Whether a request that is not answered may hold the kernel's locks of this node: a notification would wait for it.
   * A rename holds those of two folders, of which only one is known here.
   */
  mayBeLocked(node: NodeId): boolean {
    for (const pending of this.#pending.values()) {
      if (pending.abandoned) continue;
      if (sameNode(pending.node, node)) return true;
      if (pending.opcode === OPCODE.RENAME || pending.opcode === OPCODE.RENAME2) return true;
    }
    return false;
  }

  /** Answers the request at hand with the outcome. @param caller who can be interrupted while it is awaited */
  answer<T, C>(outcome: Awaitable<T>, encoding: Encoding<T, C>, context: C, caller?: RequestCaller): void {
    const { unique } = this.request;
    if (outcome instanceof Promise) {
      this.later(
        outcome.then((value) => this.#send(unique, value, encoding, context)),
        caller,
      );
    } else {
      this.#send(unique, outcome, encoding, context);
    }
  }

  /** Answers the request at hand with success and nothing else. */
  answerDone(outcome: Awaitable<unknown>, caller?: RequestCaller): void {
    this.answer(outcome, EMPTY, undefined, caller);
  }

  /** `work` answers the request at hand when it resolves; a rejection is answered with its errno here. */
  later(work: Promise<void>, caller?: RequestCaller): void {
    const { unique, opcode } = this.request;
    const tid = this.request.tid();
    this.#pending.set(unique, { unique, opcode, node: this.request.node(), tid, caller, abandoned: false });
    work.then(
      () => this.#settled(unique),
      (error) => {
        if (this.isAwaited(unique)) this.#fail(unique, opcode, error);
        this.#settled(unique);
      },
    );
  }

  /** Answers the request at hand with an errno, and nothing is logged. */
  refuse(errno: number): void {
    this.channel.reply(this.request.unique, errno, 0);
  }

  /** Answers the request at hand with the errno for whatever was thrown. */
  fail(error: unknown): void {
    this.#fail(this.request.unique, this.request.opcode, error);
  }

  /** Whether a request waits for the answer that its handler has. */
  isAwaited(unique: number): boolean {
    return this.#pending.get(unique)?.abandoned !== true;
  }

  /**
   * The kernel sent FUSE_INTERRUPT for a request: a signal reached its caller. Where the caller is to die of it, a request
   * that only reads is answered with EINTR, and whoever is at another one is told to give up what can be given up.
   */
  interrupt(unique: number): void {
    const pending = this.#pending.get(unique);
    if (pending === undefined || pending.abandoned) return;
    if (!this.isDying(pending.tid)) {
      setTimeout(() => this.interrupt(unique), LOOK_MILLISECONDS).unref();
      return;
    }
    if (READING.has(pending.opcode)) {
      pending.abandoned = true;
      this.channel.reply(unique, constants.errno.EINTR, 0);
    }
    pending.caller?.interrupt();
  }

  #send<T, C>(unique: number, value: T, encoding: Encoding<T, C>, context: C): void {
    if (!this.isAwaited(unique)) {
      encoding.undo?.(this.vfs, value, context);
      return;
    }
    const length = encoding.encode(this.channel.answer, value, context);
    const taken = length < 0 ? this.channel.reply(unique, -length, 0) : this.channel.reply(unique, 0, length);
    if (!taken || length < 0) encoding.undo?.(this.vfs, value, context);
  }

  #fail(unique: number, opcode: number, error: unknown): void {
    if (isWorthLogging(error)) {
      this.log.error({ error, opcode: opcodeName(opcode) }, `A ${opcodeName(opcode)} request failed`);
    }
    try {
      this.channel.reply(unique, errnoOf(error), 0);
    } catch (cause) {
      // It was answered already: the error came afterwards.
      this.log.error({ error: cause, opcode: opcodeName(opcode) }, 'A request was to be answered twice');
    }
  }

  #settled(unique: number): void {
    this.#pending.delete(unique);
    this.#onSettled();
  }
}
