import { DeleteObjectsCommand } from '@aws-sdk/client-s3';
import { CairnError } from '../../core/errors.js';
import { BrokenAnswer, meaningOfCode } from './s3-errors.js';
import type { S3Requests } from './s3-requests.js';

/**
 * Deletes objects, at most 1,000; those that are not there do not matter.
 * @throws {CairnError} where the server did not confirm each of them; some may be gone
 */
export async function deleteKeys(requests: S3Requests, bucket: string, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  const doing = `delete ${keys.length} objects of s3://${bucket}`;
  await requests.send(doing, async ({ client, signal }) => {
    const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } });
    const { Deleted = [], Errors = [] } = await client.send(command, { abortSignal: signal });
    const [first] = Errors;
    if (first !== undefined) throw refusal(doing, first.Key ?? '', first.Code ?? '', first.Message);
    const gone = new Set(Deleted.map(({ Key }) => Key));
    const unsure = keys.find((key) => !gone.has(key));
    if (unsure !== undefined) throw new BrokenAnswer('io', `the server did not confirm ${unsure}`);
  });
}

function refusal(doing: string, key: string, code: string, message: string | undefined): Error {
  const meaning = meaningOfCode(code);
  if (meaning === undefined || meaning.again !== 'never')
    return new BrokenAnswer(meaning?.kind ?? 'io', `${key}: ${code}`);
  return new CairnError(meaning.kind, `Cannot ${doing}: ${key}: ${message ?? code}`);
}
