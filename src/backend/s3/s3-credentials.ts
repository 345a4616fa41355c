import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { CairnError, fromSystemError } from '../../core/errors.js';

/** So often the file is read again: whoever renews credentials need not restart anything. */
const KEPT_MS = 5 * 60_000;

const credentials = z.object({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
});

/** Credentials as the SDK takes them; it asks again once they have expired. */
export interface FileCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration: Date;
}

/**
 * Reads credentials from a JSON file.
 * @throws {CairnError} `credentials-refused` where there are none in it
 */
export async function credentialsOfFile(path: string): Promise<FileCredentials> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const why = fromSystemError(error, `read the credentials in ${path}`).message;
    throw new CairnError('credentials-refused', why, { cause: error });
  }
  const found = credentials.safeParse(value);
  if (!found.success) {
    throw new CairnError('credentials-refused', `${path} lacks accessKeyId or secretAccessKey`);
  }
  const { accessKeyId, secretAccessKey, sessionToken } = found.data;
  const expiration = new Date(Date.now() + KEPT_MS);
  return { accessKeyId, secretAccessKey, expiration, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
