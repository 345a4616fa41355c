import type { Backend } from '../backend/backend.js';
import { chunkName, type PrefixDigits } from '../chunkstore/layout.js';
import { digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { BackendSource, NamedBackend } from './backend-operations.js';

/** The only backend of a store. */
export function oneBackend(
  place: Pick<NamedBackend, 'type' | 'location' | 'readOnly'>,
  storage: Backend,
  prefixDigits: PrefixDigits,
): BackendSource {
  const usual = { weight: 1, draining: false, minFreeBytes: 0, mediaType: undefined, failure: undefined };
  const only: NamedBackend = { id: 'default', ...place, ...usual, storage };
  return {
    all: () => [only],
    groupOf: async (digest) => {
      const chunkId = digestHex(digest);
      const size = await storage.size(chunkName(digest, prefixDigits));
      if (size === undefined) throw new CairnError('not-found', `There is no file of chunk ${chunkId}`);
      const shards = [{ index: 0, backendId: only.id, isParity: false }];
      return { chunkId, scheme: 'single', size, shards, missing: [], canRecover: true };
    },
    preferring: () => storage,
  };
}
