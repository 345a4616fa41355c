import type { S3Backend } from '../../backend/s3/s3-backend.js';
import { kindOf } from '../../core/errors.js';
import type { SharedObjects } from './shared-objects.js';

/**
 * A bucket as the protocol needs it; undefined where its server does not honour the condition of a put.
 * @param once the same bucket, which tries each request once
 */
export function sharedObjectsOf(remote: S3Backend, once: S3Backend): SharedObjects | undefined {
  const { conditional } = remote;
  const single = once.conditional;
  if (conditional === undefined || single === undefined) return undefined;
  let unanswered = 0;
  return {
    put: (name, bytes) => remote.put(name, bytes),
    get: (name) => remote.get(name),
    size: (name) => remote.size(name),
    list: (prefix) => remote.list(prefix),
    removeAll: (names) => conditional.deleteAll(names),
    deleteOnce: async (names) => {
      try {
        await single.deleteAll(names);
      } catch (error) {
        unanswered += 1;
        throw error;
      }
    },
    putNew: async (name, bytes) => {
      try {
        return await conditional.putNew(name, bytes);
      } catch (error) {
        // What stood there after a lost answer has been removed since.
        if (kindOf(error) === 'not-found') return false;
        throw error;
      }
    },
    unanswered: () => unanswered,
  };
}
