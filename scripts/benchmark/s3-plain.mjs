// What a bucket takes and gives by plain requests of the SDK, many at a time.
import { readFile } from 'node:fs/promises';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

/** As many as a datastore has under way (src/backend/s3/s3-settings.ts). */
const AT_ONCE = 16;

export class PlainBucket {
  #client;

  constructor(endpoint, bucket) {
    this.bucket = bucket;
    this.#client = new S3Client({
      ...{ endpoint, region: 'us-east-1', forcePathStyle: true },
      ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
    });
  }

  async create() {
    await this.#client.send(new CreateBucketCommand({ Bucket: this.bucket }));
  }

  /** Puts files as objects. @param files `{ path, key }` */
  putAll(files) {
    return this.#each(files, async ({ path, key }) => {
      const Body = await readFile(path);
      await this.#client.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body }));
    });
  }

  /** Gets objects and throws them away. @returns their bytes */
  async getAll(keys) {
    let bytes = 0;
    await this.#each(keys, async (Key) => {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.bucket, Key }));
      bytes += (await Body.transformToByteArray()).length;
    });
    return bytes;
  }

  close() {
    this.#client.destroy();
  }

  async #each(items, work) {
    const iterator = items[Symbol.iterator]();
    const worker = async () => {
      for (let next = iterator.next(); !next.done; next = iterator.next()) await work(next.value);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }
}
