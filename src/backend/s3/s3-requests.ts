import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import pLimit from 'p-limit';
import { CairnError, fromSystemError } from '../../core/errors.js';
import { credentialsOfFile } from './s3-credentials.js';
import { type Judgement, judge } from './s3-errors.js';
import type { S3Limits, S3Settings } from './s3-settings.js';

const FIRST_PAUSE_MS = 100;
const FIRST_PAUSE_THROTTLED_MS = 500;
/** Slowest upload that is not given up: 128 bytes each millisecond. */
const SLOWEST_BYTES_PER_MS = 128;

/** One try of a request. */
export interface Attempt {
  readonly client: S3Client;
  /** Ends the try when nothing has moved for too long, or the backend is closed. */
  readonly signal: AbortSignal;
  /** Which try it is, from 0. Before a later one the outcome of the earlier ones may be unknown: also a success. */
  readonly number: number;
  /** Something has moved: the time for it to do so begins anew. */
  moved(): void;
}

/** What a server was asked since the client was made. */
export interface S3Counters {
  /** Tries, so more than calls where some were repeated. */
  requests: number;
  retries: number;
  throttled: number;
}

/**
 * Sends requests: a bounded number at a time over a bounded number of sockets, each tried again where that may help,
 * with growing pauses of random length. May be used from everywhere at once.
 */
export class S3Requests {
  readonly counters: Readonly<S3Counters>;
  readonly #counters: S3Counters = { requests: 0, retries: 0, throttled: 0 };
  readonly #client: S3Client;
  readonly #limits: S3Limits;
  readonly #slot: ReturnType<typeof pLimit>;
  readonly #closing = new AbortController();
  /** When the server last sent something. */
  #aliveAt = Number.NEGATIVE_INFINITY;

  /** @throws {CairnError} where the CA file cannot be read */
  constructor(settings: S3Settings, limits: S3Limits) {
    this.counters = this.#counters;
    const { giveUpSeconds } = settings;
    this.#limits = giveUpSeconds === undefined ? limits : { ...limits, giveUpMs: giveUpSeconds * 1000 };
    this.#slot = pLimit(limits.requestsAtOnce);
    // One for each request that waits to be tried again.
    setMaxListeners(0, this.#closing.signal);
    // The SDK is pinned to its last line for this Node, so users need not be told at each start that there will be others.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
    this.#client = new S3Client(clientConfig(settings, limits));
  }

  /**
   * Makes a request and tries again where it may help.
   * @param doing for messages, e.g. `read s3://bucket/key`
   * @param request one try
   * @param sentBytes length of the body to be sent
   * @throws {CairnError} what the last try failed with; `interrupted` once closed
   */
  send<T>(doing: string, request: (attempt: Attempt) => Promise<T>, sentBytes = 0): Promise<T> {
    const calledAt = performance.now();
    return this.#slot(async () => {
      // Behind others that wait for a server which does not answer, the time to give up is the same as theirs.
      const start = this.#aliveAt > calledAt ? performance.now() : calledAt;
      const deadline = start + this.#limits.giveUpMs + sentBytes / SLOWEST_BYTES_PER_MS;
      for (let number = 0; ; number += 1) {
        const judgement = await this.#try(doing, request, number, { sentBytes, deadline });
        if ('value' in judgement) return judgement.value;
        if (judgement.again === 'never' || number + 1 >= this.#limits.attempts) throw judgement.error;
        const pauseMs = this.#pauseMs(judgement, number);
        if (performance.now() + pauseMs >= deadline) throw judgement.error;
        this.#counters.retries += 1;
        await this.#pause(pauseMs, doing);
      }
    });
  }

  /** Ends what is under way with `interrupted` and closes all sockets. Idempotent. */
  close(): void {
    this.#closing.abort();
    this.#client.destroy();
  }

  async #try<T>(
    doing: string,
    request: (attempt: Attempt) => Promise<T>,
    number: number,
    { sentBytes, deadline }: { readonly sentBytes: number; readonly deadline: number },
  ): Promise<{ value: T } | Judgement> {
    if (this.#closing.signal.aborted) throw closed(doing);
    this.#counters.requests += 1;
    const idle = new AbortController();
    const idleMs = this.#limits.idleMs + sentBytes / SLOWEST_BYTES_PER_MS;
    const limitMs = Math.max(1, Math.min(idleMs, deadline - performance.now()));
    const timer = setTimeout(() => idle.abort(), limitMs);
    const signal = AbortSignal.any([idle.signal, this.#closing.signal]);
    try {
      const moved = (): void => {
        this.#aliveAt = performance.now();
        timer.refresh();
      };
      const value = await request({ client: this.#client, signal, number, moved });
      this.#aliveAt = performance.now();
      return { value };
    } catch (error) {
      if (this.#closing.signal.aborted) throw closed(doing);
      const judgement = idle.signal.aborted ? stalled(doing, limitMs, error) : judge(error, doing);
      if (judgement.error.kind === 'throttled') this.#counters.throttled += 1;
      return judgement;
    } finally {
      clearTimeout(timer);
    }
  }

  #pauseMs({ again, waitMs }: Judgement, number: number): number {
    const first = again === 'later' ? FIRST_PAUSE_THROTTLED_MS : FIRST_PAUSE_MS;
    const bound = Math.min(this.#limits.longestPauseMs, Math.max(waitMs ?? 0, first * 2 ** number));
    return bound / 2 + (Math.random() * bound) / 2;
  }

  async #pause(milliseconds: number, doing: string): Promise<void> {
    try {
      await pause(milliseconds, undefined, { signal: this.#closing.signal });
    } catch {
      throw closed(doing);
    }
  }
}

function clientConfig(settings: S3Settings, limits: S3Limits): S3ClientConfig {
  const agent = { keepAlive: true, maxSockets: limits.requestsAtOnce };
  const checksums = settings.checksums === 'when-supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED';
  const { endpoint, profile, credentialsFile } = settings;
  const region = settings.region ?? (endpoint === undefined ? undefined : 'us-east-1');
  return {
    forcePathStyle: settings.pathStyle ?? endpoint !== undefined,
    // Tries are counted here, where the kinds of errors are known.
    maxAttempts: 1,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: limits.connectMs,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ...trusted(settings) }),
    }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(credentialsFile === undefined ? {} : { credentials: () => credentialsOfFile(credentialsFile) }),
  };
}

function trusted({ caFile }: S3Settings): { ca?: Buffer } {
  if (caFile === undefined) return {};
  try {
    return { ca: readFileSync(caFile) };
  } catch (error) {
    throw fromSystemError(error, `read the certificates in ${caFile}`);
  }
}

function stalled(doing: string, limitMs: number, cause: unknown): Judgement {
  const seconds = (limitMs / 1000).toFixed(1);
  const error = new CairnError('unreachable', `Cannot ${doing}: nothing moved for ${seconds} s`, { cause });
  return { error, again: 'soon' };
}

function closed(doing: string): CairnError {
  return new CairnError('interrupted', `Cannot ${doing}: the connection was closed`);
}
