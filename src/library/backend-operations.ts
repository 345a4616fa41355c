import type { Backend } from '../backend/backend.js';
import { CairnError } from '../core/errors.js';
import type { BackendInfo, BackendOperations } from './api.js';

/** One backend as the store has it. */
export interface NamedBackend {
  readonly id: string;
  readonly type: BackendInfo['type'];
  readonly location: string;
  readonly readOnly: boolean;
  readonly storage: Backend;
}

/** @param backends in the order of their preference, at least one */
export function backendOperations(backends: readonly NamedBackend[]): BackendOperations {
  return {
    listBackends: () => Promise.all(backends.map(shownBackend)),
    getBackend: async (id) => shownBackend(requireBackend(backends, id)),
    getDefaultBackend: async () => {
      const chosen = backends.find(({ readOnly }) => !readOnly);
      if (chosen === undefined) throw new CairnError('read-only', 'No backend can be written to');
      return shownBackend(chosen);
    },
    getBackendStorage: (id) => requireBackend(backends, id).storage,
  };
}

/** @throws {CairnError} `not-found` */
export function requireBackend(backends: readonly NamedBackend[], id: string): NamedBackend {
  const found = backends.find((backend) => backend.id === id);
  if (found !== undefined) return found;
  const ids = backends.map((backend) => backend.id).join(', ');
  throw new CairnError('not-found', `There is no backend ${JSON.stringify(id)}: there are ${ids}`);
}

async function shownBackend({ id, type, location, readOnly, storage }: NamedBackend): Promise<BackendInfo> {
  const figures = await storage.figures();
  return {
    ...{ id, type, location, readOnly },
    totalBytes: figures?.totalBytes,
    availableBytes: figures?.availableBytes,
  };
}
