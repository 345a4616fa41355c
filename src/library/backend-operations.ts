import type { Backend } from '../backend/backend.js';
import { type Digest, digestFromHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { BackendInfo, BackendOperations, ECGroup } from './api.js';

/** One backend as the store has it. */
export interface NamedBackend extends Omit<BackendInfo, 'totalBytes' | 'availableBytes'> {
  readonly storage: Backend;
}

/** The backends of a store, as they are at each call. */
export interface BackendSource {
  /** In the order of their preference, at least one. */
  all(): readonly NamedBackend[];
  groupOf(digest: Digest): Promise<ECGroup>;
  /** The store's backend, but that a put has one of its pieces on the backend of this id. */
  preferring(id: string): Backend;
}

export function backendOperations(source: BackendSource): BackendOperations {
  return {
    listBackends: () => Promise.all(source.all().map(shownBackend)),
    getBackend: async (id) => shownBackend(requireBackend(source, id)),
    getDefaultBackend: async () => {
      const usable = source.all().filter(({ readOnly, draining }) => !readOnly && !draining);
      const chosen = usable.find(({ failure }) => failure === undefined) ?? usable[0];
      if (chosen === undefined) throw new CairnError('read-only', 'No backend can be written to');
      return shownBackend(chosen);
    },
    getBackendStorage: (id) => requireBackend(source, id).storage,
    getECGroup: async (id) => source.groupOf(digestFromHex(id)),
  };
}

/** @throws {CairnError} `not-found` */
export function requireBackend(source: BackendSource, id: string): NamedBackend {
  const backends = source.all();
  const found = backends.find((backend) => backend.id === id);
  if (found !== undefined) return found;
  const ids = backends.map((backend) => backend.id).join(', ');
  throw new CairnError('not-found', `There is no backend ${JSON.stringify(id)}: there are ${ids}`);
}

/** One that does not answer is listed all the same. */
async function shownBackend({ storage, ...shown }: NamedBackend): Promise<BackendInfo> {
  try {
    const figures = await storage.figures();
    return { ...shown, totalBytes: figures?.totalBytes, availableBytes: figures?.availableBytes };
  } catch (error) {
    const failure = shown.failure ?? (error instanceof Error ? error.message : String(error));
    return { ...shown, failure, totalBytes: undefined, availableBytes: undefined };
  }
}
