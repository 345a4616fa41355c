import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput, PutObjectCommand } from '@aws-sdk/client-s3';
import { sha256 } from '../../native/hash.js';
import { BrokenAnswer, codeOf, statusOf } from './s3-errors.js';
import type { Attempt, S3Requests } from './s3-requests.js';

/** An object, and what it is called in messages. */
export interface ObjectPlace {
  readonly bucket: string;
  readonly key: string;
  readonly title: string;
}

/** Every object of ours says what its bytes are; what PBS stored does not. */
const DIGEST_FIELD = 'cairn-sha256';
/** What the request's signature is made with; given, the SDK need not hash the body on this thread. */
const PAYLOAD_HEADER = 'x-amz-content-sha256';

/**
 * Stores an object whole, with Content-MD5, so that a server takes nothing else for it. The same bytes may be sent again
 * where an answer is lost.
 * @param when `if-absent`: only where nothing is under the key
 * @returns `there`: something was there; `unknown`: something is, maybe by an earlier try of this call
 */
export async function putObject(
  requests: S3Requests,
  place: ObjectPlace,
  bytes: Uint8Array,
  when: 'always' | 'if-absent' = 'always',
): Promise<'put' | 'there' | 'unknown'> {
  const digest = Buffer.from(await sha256(bytes)).toString('hex');
  const md5 = createHash('md5').update(bytes).digest('base64');
  const send = async ({ client, signal, number }: Attempt): Promise<'put' | 'there' | 'unknown'> => {
    const command = new PutObjectCommand({
      Bucket: place.bucket,
      Key: place.key,
      Body: bytes,
      ContentLength: bytes.length,
      ContentMD5: md5,
      Metadata: { [DIGEST_FIELD]: digest },
      ...(when === 'if-absent' ? { IfNoneMatch: '*' } : {}),
    });
    command.middlewareStack.add(
      (next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers[PAYLOAD_HEADER] = digest;
        return next(args);
      },
      { step: 'build' },
    );
    try {
      await client.send(command, { abortSignal: signal });
      return 'put';
    } catch (error) {
      if (when !== 'if-absent' || statusOf(error) !== 412) throw error;
      return number === 0 ? 'there' : 'unknown';
    }
  };
  return requests.send(`write ${place.title}`, send, bytes.length);
}

/**
 * Reads an object whole, and checks its bytes against what it says of them; a wrong or short answer is asked for again.
 * @throws {CairnError} `not-found`, `corrupt` where its bytes stay wrong
 */
export function readObject(requests: S3Requests, place: ObjectPlace): Promise<Buffer> {
  return requests.send(`read ${place.title}`, async (attempt) => {
    const command = new GetObjectCommand({ Bucket: place.bucket, Key: place.key });
    const answer = await attempt.client.send(command, { abortSignal: attempt.signal });
    const bytes = await bodyOf(answer, attempt);
    const digest = answer.Metadata?.[DIGEST_FIELD];
    if (digest !== undefined && Buffer.from(await sha256(bytes)).toString('hex') !== digest) {
      throw new BrokenAnswer('corrupt', 'its bytes are not those that were stored');
    }
    return bytes;
  });
}

/**
 * Reads the bytes [offset, offset + length), fewer where the object ends earlier; `length` is not 0.
 * @throws {CairnError} `not-found`
 */
export function readRange(requests: S3Requests, place: ObjectPlace, offset: number, length: number): Promise<Buffer> {
  return requests.send(`read ${place.title}`, async (attempt) => {
    const last = Math.min(offset + length - 1, Number.MAX_SAFE_INTEGER);
    const command = new GetObjectCommand({ Bucket: place.bucket, Key: place.key, Range: `bytes=${offset}-${last}` });
    let answer: GetObjectCommandOutput;
    try {
      answer = await attempt.client.send(command, { abortSignal: attempt.signal });
    } catch (error) {
      // The object ends before the range.
      if (statusOf(error) === 416 || codeOf(error) === 'InvalidRange') return Buffer.alloc(0);
      throw error;
    }
    const bytes = await bodyOf(answer, attempt);
    return checkedRange(bytes, answer.ContentRange, offset, length);
  });
}

/** A server that does not know ranges sends everything. */
function checkedRange(bytes: Buffer, range: string | undefined, offset: number, length: number): Buffer {
  if (range === undefined) return bytes.subarray(offset, offset + length);
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range) ?? [];
  const end = Math.min(offset + length, Number(total));
  if (Number(first) !== offset || Number(last) !== end - 1 || bytes.length !== end - offset) {
    throw new BrokenAnswer('io', `the server sent ${bytes.length} bytes, "${range}", for ${length} at ${offset}`);
  }
  return bytes;
}

async function bodyOf(answer: GetObjectCommandOutput, attempt: Attempt): Promise<Buffer> {
  const { Body: body, ContentLength: announced } = answer;
  if (!(body instanceof Readable)) throw new BrokenAnswer('io', 'the answer has no body');
  const pieces: Buffer[] = [];
  for await (const piece of body) {
    pieces.push(piece as Buffer);
    attempt.moved();
  }
  const bytes = Buffer.concat(pieces);
  if (announced !== undefined && bytes.length !== announced) {
    throw new BrokenAnswer('unreachable', `${bytes.length} of ${announced} bytes came`);
  }
  return bytes;
}
