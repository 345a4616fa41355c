import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path/posix';
import { CairnError } from '../../core/errors.js';
import { S3Backend } from './s3-backend.js';
import { DEFAULT_S3_LIMITS, type S3Limits, type S3Settings } from './s3-settings.js';

/** What a server was found to do. */
export interface S3Abilities {
  /** It honours `If-None-Match: *`. */
  readonly conditionalPuts: boolean;
}

/**
 * Tries a server with an object of a random name, which is removed again: whether it takes, gives back, lists and deletes
 * what a datastore needs, and what else it can.
 * @throws {CairnError} where it does not do what every backend has to, or cannot be asked
 */
export async function probeS3(settings: S3Settings, limits: S3Limits = DEFAULT_S3_LIMITS): Promise<S3Abilities> {
  const backend = new S3Backend({ ...settings, conditionalPuts: true }, limits);
  const name = `.cairn-probe/${randomBytes(8).toString('hex')}`;
  try {
    await backend.put(name, Buffer.from('first'));
    const conditionalPuts = await honoursConditions(backend, name);
    const wrong = await firstMistake(backend, name, conditionalPuts ? 'first' : 'second');
    if (wrong === undefined) return { conditionalPuts };
    throw new CairnError('unsupported', `The server ${settings.endpoint ?? 'S3'} cannot hold a datastore: it ${wrong}`);
  } finally {
    await backend.removeAll([name]).catch(() => undefined);
    backend.close();
  }
}

async function firstMistake(backend: S3Backend, name: string, held: string): Promise<string | undefined> {
  if ((await backend.get(name)).toString() !== held) return 'does not give back what it was given';
  if ((await backend.getRange(name, 1, 2)).toString() !== held.slice(1, 3)) return 'does not know ranges';
  const names: string[] = [];
  for await (const listed of backend.list(dirname(name))) names.push(listed);
  if (!names.includes(name)) return 'does not list what it was given';
  await backend.removeAll([name]);
  return (await backend.size(name)) === undefined ? undefined : 'does not delete';
}

/** A server that ignores the condition has the second bytes afterwards; one that knows it but cannot, refuses. */
async function honoursConditions(backend: S3Backend, name: string): Promise<boolean> {
  try {
    return (await backend.conditional?.putNew(name, Buffer.from('second'))) === false;
  } catch (error) {
    if (!(error instanceof CairnError) || !['io', 'unreachable', 'unsupported'].includes(error.kind)) throw error;
    await backend.put(name, Buffer.from('second'));
    return false;
  }
}
