import type { ShardLayout } from '../catalog/shard-places.js';
import type { BackendCommandResult } from '../control/backend-commands.js';

type Dependence = NonNullable<BackendCommandResult<'backend-show'>['dependence']>;

/**
 * What chunks would come to if a backend did not come back, by where their pieces were put; takes as long as there are
 * combinations of backends.
 * @param present ids of all backends of the datastore: pieces elsewhere do not count
 * @param failing ids of those that are failing now
 */
export function dependenceOn(
  id: string,
  layouts: readonly ShardLayout[],
  present: readonly string[],
  failing: readonly string[],
): Dependence {
  const found = { chunks: 0, lost: 0, lastPieces: 0, lostWithFailing: 0 };
  for (const { data, backends, objects } of layouts) {
    if (!backends.includes(id)) continue;
    const others = backends.filter((one) => one !== id && present.includes(one));
    const answering = others.filter((one) => !failing.includes(one));
    found.chunks += objects;
    if (others.length < data) found.lost += objects;
    if (others.length === data) found.lastPieces += objects;
    if (answering.length < data) found.lostWithFailing += objects;
  }
  return { ...found, failing: [...failing] };
}
