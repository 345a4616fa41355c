import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { checkPrefix } from '../names.js';
import { BrokenAnswer } from './s3-errors.js';
import type { S3Keys } from './s3-keys.js';
import type { S3Requests } from './s3-requests.js';

/** An object as a listing has it. */
interface ListedKey {
  readonly key: string;
  /** Length of the object. */
  readonly bytes: number;
  readonly tag: string;
}

/** An object's name and what a listing tells of it. */
export interface ListedObject {
  readonly name: string;
  /** Its length. */
  readonly bytes: number;
  /** Changes with the bytes (ETag, without its quotes); on most servers their MD5 in hex. Empty: not told. */
  readonly tag: string;
}

/** Lists the objects of one datastore. */
export class S3Listing {
  readonly #requests: S3Requests;
  readonly #bucket: string;
  readonly #keys: S3Keys;
  readonly #pageKeys: number;

  /** @param pageKeys keys asked for at a time, at most 1,000 */
  constructor(requests: S3Requests, bucket: string, keys: S3Keys, pageKeys: number) {
    this.#requests = requests;
    this.#bucket = bucket;
    this.#keys = keys;
    this.#pageKeys = pageKeys;
  }

  /** As `Backend.list`, with what is told of each object. */
  async *objects(prefix: string): AsyncGenerator<ListedObject> {
    checkPrefix(prefix);
    for (const keyPrefix of this.#keys.prefixesOf(prefix)) {
      for await (const { key, ...told } of listKeys(this.#requests, this.#bucket, keyPrefix, this.#pageKeys)) {
        const name = this.#keys.nameOf(key);
        if (name !== undefined) yield { name, ...told };
      }
    }
  }
}

/**
 * All keys that begin with `prefix`, page by page. A page that may not be whole is asked for again and then an error: what
 * a collector is not told of it takes for absent.
 * @param pageKeys keys asked for at a time, at most 1,000
 * @throws {CairnError}
 */
async function* listKeys(
  requests: S3Requests,
  bucket: string,
  prefix: string,
  pageKeys: number,
): AsyncGenerator<ListedKey> {
  let token: string | undefined;
  let last = '';
  do {
    const page = await requests.send(`list s3://${bucket}/${prefix}`, async ({ client, signal }) => {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        MaxKeys: pageKeys,
        ContinuationToken: token,
      });
      return checkedPage(await client.send(command, { abortSignal: signal }), prefix, last);
    });
    yield* page.keys;
    last = page.keys.at(-1)?.key ?? last;
    token = page.next;
  } while (token !== undefined);
}

interface Page {
  readonly keys: ListedKey[];
  readonly next: string | undefined;
}

/** Servers list in the order of the keys' bytes, which for ours, all ASCII, is that of strings. */
function checkedPage(answer: ListObjectsV2CommandOutput, prefix: string, after: string): Page {
  const { IsTruncated, KeyCount, NextContinuationToken, Contents = [] } = answer;
  const keys = Contents.map(({ Key = '', Size = -1, ETag = '' }) => ({
    key: Key,
    bytes: Size,
    tag: ETag.replaceAll('"', ''),
  }));
  if (IsTruncated === undefined || KeyCount !== keys.length) {
    throw new BrokenAnswer('io', `the listing has ${keys.length} keys and announces ${KeyCount ?? 'nothing'}`);
  }
  if (IsTruncated && (NextContinuationToken === undefined || keys.length === 0)) {
    throw new BrokenAnswer('io', 'the listing goes on, but does not say where');
  }
  let before = after;
  for (const { key, bytes } of keys) {
    if (bytes < 0) throw new BrokenAnswer('io', `the listing does not say how long ${key} is`);
    if (!key.startsWith(prefix)) throw new BrokenAnswer('io', `the listing has a key that was not asked for: ${key}`);
    if (key <= before) throw new BrokenAnswer('io', `the listing goes back to ${key}`);
    before = key;
  }
  return { keys, next: IsTruncated ? NextContinuationToken : undefined };
}
