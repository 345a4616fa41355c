import { deleteKeys } from './s3-deletion.js';
import { type ObjectPlace, putObject, readObject } from './s3-objects.js';
import type { S3Requests } from './s3-requests.js';

/** What machines need that share a bucket: puts that only one of several callers can succeed with, and bare deletions. */
export class ConditionalPuts {
  readonly #requests: S3Requests;
  readonly #place: (name: string) => ObjectPlace;

  /** @param place where an object of this name is; throws `invalid` */
  constructor(requests: S3Requests, place: (name: string) => ObjectPlace) {
    this.#requests = requests;
    this.#place = place;
  }

  /**
   * Puts `bytes` under a name unless something is there. Bytes that tell callers apart must differ: what stands there
   * after a lost answer is taken for this call's own if it is the same.
   * @returns whether these bytes are there now because this call put them
   * @throws {CairnError}
   */
  async putNew(name: string, bytes: Uint8Array): Promise<boolean> {
    const place = this.#place(name);
    const outcome = await putObject(this.#requests, place, bytes, 'if-absent');
    if (outcome !== 'unknown') return outcome === 'put';
    return (await readObject(this.#requests, place)).equals(bytes);
  }

  /** Removes what is under the names, at most 1,000, by one request: without looking what is there. @throws {CairnError} */
  async deleteAll(names: readonly string[]): Promise<void> {
    const places = names.map((name) => this.#place(name));
    const [first] = places;
    if (first === undefined) return;
    const keys = places.map(({ key }) => key);
    await deleteKeys(this.#requests, first.bucket, keys);
  }
}
