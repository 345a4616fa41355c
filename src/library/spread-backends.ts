import type { Backend } from '../backend/backend.js';
import type { Member } from '../backend/spread/member.js';
import { objectLayout } from '../backend/spread/object-layout.js';
import { chunkName } from '../chunkstore/layout.js';
import { digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { formatRedundancy, piecesOf } from '../core/redundancy.js';
import { readConfig } from '../datastore/config.js';
import type { SpreadPlaces } from '../datastore/object-store.js';
import type { DatastorePaths } from '../datastore/paths.js';
import type { ECGroup } from './api.js';
import type { BackendSource, NamedBackend } from './backend-operations.js';

/** The backends chunks of a datastore are spread over, as its config has them at each call. */
export function spreadBackends(paths: DatastorePaths, places: SpreadPlaces, isReader: boolean): BackendSource {
  const { prefixDigits } = readConfig(paths);
  const { spread } = places;
  return {
    all: () => {
      const { backends = [], preferredBackend } = readConfig(paths);
      const first = backends.filter(({ id }) => id === preferredBackend);
      const others = backends.filter(({ id }) => id !== preferredBackend);
      return [...first, ...others].flatMap(({ id, type, path, s3, media }) => {
        const member = spread.members.all.find(({ settings }) => settings.id === id);
        if (member === undefined) return [];
        const location = type === 'fs' ? (path ?? '') : `s3://${s3?.bucket}/${s3?.store}`;
        return [named(member, { type, location, mediaType: media }, isReader)];
      });
    },
    groupOf: (digest) => groupOf(places, digestHex(digest), chunkName(digest, prefixDigits)),
    preferring: (id) => withPut(spread, (name, bytes) => spread.put(name, bytes, id)),
  };
}

function named(
  member: Member,
  place: Pick<NamedBackend, 'type' | 'location' | 'mediaType'>,
  isReader: boolean,
): NamedBackend {
  const { id, weight, readOnly, draining, minFreeBytes } = member.settings;
  const { failing, reason } = member.health;
  return {
    ...{ id, ...place, weight, draining, minFreeBytes, readOnly: readOnly || isReader },
    failure: failing ? (reason ?? 'it does not answer') : undefined,
    storage: storageOf(member),
  };
}

async function groupOf({ spread, shards: record }: SpreadPlaces, chunkId: string, name: string): Promise<ECGroup> {
  const layout = await objectLayout(spread.members, name);
  if (layout === undefined) throw new CairnError('not-found', `No backend has anything of chunk ${chunkId}`);
  const { redundancy, objectBytes, pieces, copies, silent } = layout;
  const whole = copies.map((backendId) => ({ index: 0, backendId, isParity: false }));
  const shards = pieces.map(({ index, member }) => {
    return { index, backendId: member, isParity: index >= redundancy.data };
  });
  const indexes = Array.from({ length: piecesOf(redundancy) }, (_, index) => index);
  const isWhole = copies.length > 0 && shards.length === 0;
  const missing = isWhole ? [] : indexes.filter((at) => !shards.some(({ index }) => index === at));
  const recorded = record.read((table) => table.find(name));
  const missingOn = missing.flatMap((index) => {
    const backendId = recorded?.places.get(index);
    return backendId === undefined || silent.includes(backendId) ? [] : [{ index, backendId }];
  });
  return {
    ...{ chunkId, scheme: formatRedundancy(redundancy), size: objectBytes },
    shards: shards.length > 0 ? shards : whole,
    ...{ missing, missingOn },
    canRecover: copies.length > 0 || shards.length >= redundancy.data,
  };
}

/** A member's own bytes: pieces with their headers. */
function storageOf(member: Member): Backend {
  return {
    put: (name, bytes) => member.put(name, bytes),
    get: (name) => member.ask((backend) => backend.get(name)),
    getRange: (name, offset, length) => member.ask((backend) => backend.getRange(name, offset, length)),
    size: (name) => member.find((backend) => backend.size(name)),
    touch: (name) => member.find((backend) => backend.touch(name)),
    removeAll: (names) => member.ask((backend) => backend.removeAll(names)),
    moveAll: (moves) => member.ask((backend) => backend.moveAll(moves)),
    async *list(prefix) {
      yield* await member.ask(async (backend) => {
        const names: string[] = [];
        for await (const name of backend.list(prefix)) names.push(name);
        return names;
      });
    },
    sync: () => member.sync(),
    syncAll: () => member.sync(true),
    figures: () => member.figures(),
  };
}

/** The same backend with another way to put. */
function withPut(backend: Backend, put: Backend['put']): Backend {
  return {
    put,
    get: (name) => backend.get(name),
    getRange: (name, offset, length) => backend.getRange(name, offset, length),
    size: (name) => backend.size(name),
    touch: (name) => backend.touch(name),
    removeAll: (names) => backend.removeAll(names),
    moveAll: (moves) => backend.moveAll(moves),
    list: (prefix) => backend.list(prefix),
    sync: () => backend.sync(),
    syncAll: () => backend.syncAll(),
    figures: () => backend.figures(),
  };
}
