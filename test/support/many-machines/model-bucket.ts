import { CairnError } from '../../../src/core/errors.js';
import type { SharedObjects } from '../../../src/datastore/shared/shared-objects.js';
import type { Turns } from '../chunk-life/turns.js';
import type { Random } from '../random.js';

/** The server refuses requests that were signed longer ago, in steps. */
export const REQUEST_LIFETIME = 60;
const TRIES = 6;

type Outcome = { readonly value: unknown } | { readonly error: CairnError };

interface Request {
  readonly signedAt: number;
  /** It is on its way until then. */
  readonly arrivesAt: number;
  /** Carries the request out. */
  readonly apply: () => unknown;
  /** Tells whoever sent it, if they still listen. */
  readonly answer: (outcome: Outcome) => void;
}

/** An object store, and the requests that are on their way to it, whose senders may have died. */
export class ModelBucket {
  readonly objects = new Map<string, Buffer>();
  readonly #random: Random;
  readonly #waiting: Request[] = [];
  /** Steps so far: the server's clock. */
  now = 0;
  /** Changes so far that may have lost something. */
  changes = 0;
  /** One of so many tries is not answered, at first. */
  readonly faultEvery: number;

  constructor(random: Random, faultEvery: number) {
    this.#random = random;
    this.faultEvery = faultEvery;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  names(prefix: string): string[] {
    return [...this.objects.keys()].filter((name) => name.startsWith(`${prefix}/`));
  }

  send(request: Request): void {
    this.#waiting.push(request);
  }

  /** One request is carried out, or found to be too old. */
  step(): void {
    this.now += 1;
    const here = this.#waiting.filter(({ arrivesAt }) => arrivesAt <= this.now);
    if (here.length === 0) return;
    const request = this.#random.pick(here);
    this.#waiting.splice(this.#waiting.indexOf(request), 1);
    if (this.now - request.signedAt > REQUEST_LIFETIME) {
      request.answer({ error: new CairnError('unreachable', 'The request is too old') });
      return;
    }
    try {
      request.answer({ value: request.apply() });
    } catch (error) {
      request.answer({ error: error as CairnError });
    }
  }
}

/** How many steps a machine's wall clock is behind, as it is after the machine stood still, until it is set. */
export interface WallClock {
  behind: number;
}

/** One life of a machine as a client of the bucket: as `S3Backend`, with its retries. */
export class ModelClient implements SharedObjects {
  readonly #bucket: ModelBucket;
  readonly #turns: Turns;
  readonly #random: Random;
  readonly #clock: WallClock;
  #unanswered = 0;

  constructor(bucket: ModelBucket, turns: Turns, random: Random, clock: WallClock) {
    this.#bucket = bucket;
    this.#turns = turns;
    this.#random = random;
    this.#clock = clock;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const copy = Buffer.from(bytes);
    await this.#request(() => this.#set(name, copy));
  }

  async get(name: string): Promise<Buffer> {
    const bytes = await this.#request(() => this.#bucket.objects.get(name));
    if (bytes === undefined) throw new CairnError('not-found', `There is no ${name}`);
    return bytes;
  }

  size(name: string): Promise<number | undefined> {
    return this.#request(() => this.#bucket.objects.get(name)?.length);
  }

  async *list(prefix: string): AsyncIterable<string> {
    yield* await this.#request(() => this.#bucket.names(prefix));
  }

  async removeAll(names: readonly string[]): Promise<void> {
    await this.#request(() => this.#remove(names));
  }

  async deleteOnce(names: readonly string[]): Promise<void> {
    await this.#request(() => this.#remove(names), 1);
  }

  async putNew(name: string, bytes: Uint8Array): Promise<boolean> {
    const copy = Buffer.from(bytes);
    let tries = 0;
    const outcome = await this.#request(
      () => {
        if (this.honoursConditions() && this.#bucket.objects.has(name)) return 'there';
        this.#set(name, copy);
        return 'put';
      },
      TRIES,
      () => {
        tries += 1;
      },
    );
    if (outcome === 'put') return true;
    return tries > 1 && (await this.#request(() => this.#bucket.objects.get(name)))?.equals(copy) === true;
  }

  unanswered(): number {
    return this.#unanswered;
  }

  /** Now and then lets much else happen. */
  protected async dawdle(): Promise<void> {
    if (this.#random.below(3) > 0) return;
    for (let points = this.#random.below(60); points > 0; points -= 1) await this.#turns.point();
  }

  protected honoursConditions(): boolean {
    return true;
  }

  #set(name: string, bytes: Buffer): void {
    this.#bucket.objects.set(name, bytes);
    if (name.startsWith('host/')) this.#bucket.changes += 1;
  }

  #remove(names: readonly string[]): void {
    for (const name of names) {
      const mattered = this.#bucket.objects.delete(name) && !/^host|publishing|kept|beat|joined/.test(name);
      if (mattered) this.#bucket.changes += 1;
    }
  }

  async #request<T>(apply: () => T, tries = TRIES, onTry: () => void = () => undefined): Promise<T> {
    for (let number = 1; ; number += 1) {
      onTry();
      const outcome = await this.#try(apply);
      this.#clock.behind = 0;
      await this.#turns.point();
      if ('value' in outcome) return outcome.value as T;
      if (outcome.error.kind === 'unreachable') this.#unanswered += 1;
      if (number >= tries || outcome.error.kind !== 'unreachable') throw outcome.error;
    }
  }

  #try(apply: () => unknown): Promise<Outcome> {
    const fault = this.#random.below(this.#bucket.faultEvery) === 0 ? this.#random.below(3) : undefined;
    return new Promise((resolve) => {
      const lose = (): void => resolve({ error: new CairnError('unreachable', 'No answer') });
      const { now } = this.#bucket;
      const arrivesAt = fault === 0 || fault === 1 ? now + this.#random.below(REQUEST_LIFETIME) : now;
      const answer = fault === 0 || fault === 2 ? lose : resolve;
      this.#bucket.send({ signedAt: now - this.#clock.behind, arrivesAt, apply, answer });
      // Given up at once though it is still on its way; or slow; or carried out, and the answer lost.
      if (fault === 0) lose();
    });
  }
}
