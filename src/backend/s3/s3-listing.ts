import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { BrokenAnswer } from './s3-errors.js';
import type { S3Requests } from './s3-requests.js';

/**
 * All keys that begin with `prefix`, page by page. A page that may not be whole is asked for again and then an error: what
 * a collector is not told of it takes for absent.
 * @param pageKeys keys asked for at a time, at most 1,000
 * @throws {CairnError}
 */
export async function* listKeys(
  requests: S3Requests,
  bucket: string,
  prefix: string,
  pageKeys: number,
): AsyncGenerator<string> {
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
    last = page.keys.at(-1) ?? last;
    token = page.next;
  } while (token !== undefined);
}

interface Page {
  readonly keys: string[];
  readonly next: string | undefined;
}

/** Servers list in the order of the keys' bytes, which for ours, all ASCII, is that of strings. */
function checkedPage(answer: ListObjectsV2CommandOutput, prefix: string, after: string): Page {
  const { IsTruncated, KeyCount, NextContinuationToken, Contents = [] } = answer;
  const keys = Contents.map(({ Key }) => Key ?? '');
  if (IsTruncated === undefined || KeyCount !== keys.length) {
    throw new BrokenAnswer('io', `the listing has ${keys.length} keys and announces ${KeyCount ?? 'nothing'}`);
  }
  if (IsTruncated && (NextContinuationToken === undefined || keys.length === 0)) {
    throw new BrokenAnswer('io', 'the listing goes on, but does not say where');
  }
  let before = after;
  for (const key of keys) {
    if (!key.startsWith(prefix)) throw new BrokenAnswer('io', `the listing has a key that was not asked for: ${key}`);
    if (key <= before) throw new BrokenAnswer('io', `the listing goes back to ${key}`);
    before = key;
  }
  return { keys, next: IsTruncated ? NextContinuationToken : undefined };
}
