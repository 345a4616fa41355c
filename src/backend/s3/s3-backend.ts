import { CopyObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { CairnError, kindOf } from '../../core/errors.js';
import type { Backend, Move } from '../backend.js';
import { checkRange } from '../names.js';
import { ConditionalPuts } from './conditional-puts.js';
import { deleteKeys } from './s3-deletion.js';
import { codeOf, statusOf } from './s3-errors.js';
import { S3Keys } from './s3-keys.js';
import { S3Listing } from './s3-listing.js';
import { type ObjectPlace, putObject, readObject, readRange } from './s3-objects.js';
import { type S3Counters, S3Requests } from './s3-requests.js';
import { DEFAULT_S3_LIMITS, type S3Limits, type S3Settings } from './s3-settings.js';

const DELETED_AT_ONCE = 1000;

/**
 * Objects in a bucket as a backend (README.md). What was put is durable when `put` resolves, so barriers have nothing to
 * do. Buffers given to `put` are hashed twice on the calling thread's behalf: SHA-256 on a pool thread, MD5 on the thread
 * itself, so a mount worker is no place for it.
 */
export class S3Backend implements Backend {
  /** Requests sent so far. */
  readonly counters: Readonly<S3Counters>;
  /** Absent where the server does not honour conditions. */
  readonly conditional: ConditionalPuts | undefined;
  /** Names with lengths. */
  readonly listing: S3Listing;
  readonly #bucket: string;
  readonly #keys: S3Keys;
  readonly #requests: S3Requests;

  /** @throws {CairnError} `invalid` where the settings make no sense */
  constructor(settings: S3Settings, limits: S3Limits = DEFAULT_S3_LIMITS) {
    this.#bucket = settings.bucket;
    this.#keys = new S3Keys(settings.store);
    this.#requests = new S3Requests(settings, limits);
    this.counters = this.#requests.counters;
    this.listing = new S3Listing(this.#requests, this.#bucket, this.#keys, limits.listedAtOnce);
    const honoured = settings.conditionalPuts === true;
    this.conditional = honoured ? new ConditionalPuts(this.#requests, (name) => this.#place(name)) : undefined;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await putObject(this.#requests, this.#place(name), bytes);
  }

  async get(name: string): Promise<Buffer> {
    return readObject(this.#requests, this.#place(name));
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    const place = this.#place(name);
    checkRange(offset, length);
    if (length > 0) return readRange(this.#requests, place, offset, length);
    if ((await this.size(name)) !== undefined) return Buffer.alloc(0);
    throw new CairnError('not-found', `Cannot read ${place.title}: there is no such object`);
  }

  async size(name: string): Promise<number | undefined> {
    const place = this.#place(name);
    const found = await this.#requests.send(`look at ${place.title}`, async ({ client, signal }) => {
      const command = new HeadObjectCommand({ Bucket: place.bucket, Key: place.key });
      try {
        return (await client.send(command, { abortSignal: signal })).ContentLength;
      } catch (error) {
        if (statusOf(error) === 404 || codeOf(error) === 'NotFound') return 'unproven';
        throw error;
      }
    });
    if (typeof found === 'number') return found;
    // An answer to HEAD has no body, so it cannot say whether the object, or the bucket, or the way to it is missing.
    try {
      return (await readObject(this.#requests, place)).length;
    } catch (error) {
      if (kindOf(error) === 'not-found') return undefined;
      throw error;
    }
  }

  /** An object has no time of use: collectors that share a bucket keep apart by other means. */
  async touch(name: string): Promise<number | undefined> {
    return this.size(name);
  }

  async removeAll(names: readonly string[]): Promise<boolean[]> {
    const places = names.map((name) => this.#place(name));
    // A deletion does not say whether there was anything.
    const there = await Promise.all(names.map(async (name) => (await this.size(name)) !== undefined));
    const keys = places.filter((_, index) => there[index]).map(({ key }) => key);
    for (let done = 0; done < keys.length; done += DELETED_AT_ONCE) {
      await deleteKeys(this.#requests, this.#bucket, keys.slice(done, done + DELETED_AT_ONCE));
    }
    return there;
  }

  async moveAll(moves: readonly Move[]): Promise<boolean[]> {
    for (const { from, to } of moves) {
      this.#place(from);
      this.#place(to);
    }
    const moved: boolean[] = [];
    if (areApart(moves)) return this.#moveApart(moves);
    for (const move of moves) moved.push(...(await this.#moveApart([move])));
    return moved;
  }

  async *list(prefix: string): AsyncIterable<string> {
    for await (const { name } of this.listing.objects(prefix)) yield name;
  }

  async sync(): Promise<void> {}

  async syncAll(): Promise<void> {}

  /** A bucket has no limit it could tell. */
  async figures(): Promise<undefined> {
    return undefined;
  }

  /** Ends what is under way and closes all sockets. Idempotent. */
  close(): void {
    this.#requests.close();
  }

  #place(name: string): ObjectPlace {
    const key = this.#keys.keyOf(name);
    return { bucket: this.#bucket, key, title: `s3://${this.#bucket}/${key}` };
  }

  /** Copies, then deletes: at any time the bytes are under one name at least. */
  async #moveApart(moves: readonly Move[]): Promise<boolean[]> {
    const copied = await Promise.all(
      moves.map(({ from, to }) => (from === to ? this.size(from).then(isThere) : this.#copy(from, to))),
    );
    const done = moves.filter(({ from, to }, index) => copied[index] && from !== to);
    const keys = done.map(({ from }) => this.#keys.keyOf(from));
    for (let at = 0; at < keys.length; at += DELETED_AT_ONCE) {
      await deleteKeys(this.#requests, this.#bucket, keys.slice(at, at + DELETED_AT_ONCE));
    }
    return copied;
  }

  async #copy(from: string, to: string): Promise<boolean> {
    const source = this.#place(from);
    const target = this.#place(to);
    try {
      await this.#requests.send(`move ${source.title} to ${target.title}`, async ({ client, signal }) => {
        const command = new CopyObjectCommand({
          Bucket: target.bucket,
          Key: target.key,
          CopySource: `${source.bucket}/${source.key}`.split('/').map(encodeURIComponent).join('/'),
        });
        await client.send(command, { abortSignal: signal });
      });
      return true;
    } catch (error) {
      if (kindOf(error) === 'not-found') return false;
      throw error;
    }
  }
}

function isThere(size: number | undefined): boolean {
  return size !== undefined;
}

/** Whether no name is in two moves, so that their order means nothing. */
function areApart(moves: readonly Move[]): boolean {
  return new Set(moves.flatMap(({ from, to }) => [from, to])).size === 2 * moves.length;
}
