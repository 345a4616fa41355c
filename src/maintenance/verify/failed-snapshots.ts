import { digestHex } from '../../core/digest.js';
import { type GroupName, groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { snapshotPath } from '../../index/snapshot-folder.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { badChunksProblem, lookAtFiles, type SnapshotFindings } from './snapshot-files.js';

/** As many as are looked at, the oldest first. */
const MOST = 1000;

/**
 * Looks at every snapshot that failed its last verification once more, without reading chunks: somebody may have put back what
 * it lacks.
 * @param isBad every chunk known to be bad, in hex
 * @returns all of them; without problems where only verifying all of its chunks is left to do
 * @throws {CairnError} `interrupted`
 */
export async function lookAtFailed(context: CareContext, isBad: ReadonlySet<string>): Promise<SnapshotFindings[]> {
  const looked: SnapshotFindings[] = [];
  for (const { group, time, archive } of context.catalog.snapshots.failed(MOST)) {
    requireWanted(context.signal);
    const name = context.catalog.groups.find(group)?.name;
    if (name === undefined) continue;
    const problems = await problemsOf(context, name, time, isBad);
    // What is being forgotten may look like anything.
    if (context.catalog.snapshots.find(archive)?.state !== 'finished') continue;
    looked.push({ group: groupPath(name), time: formatSnapshotTime(time), problems });
  }
  return looked;
}

async function problemsOf(
  context: CareContext,
  group: GroupName,
  time: number,
  isBad: ReadonlySet<string>,
): Promise<string[]> {
  const missing = new Set<string>();
  const problems = await lookAtFiles(context, snapshotPath(context.store, group, time), async (index) => {
    if (isBad.size > 0) for (const digest of digestsOf(index)) if (isBad.has(digest)) missing.add(digest);
  });
  if (missing.size > 0) problems.push(badChunksProblem(missing.size));
  return problems;
}

function* digestsOf(index: ChunkIndex): Generator<string> {
  for (let position = 0; position < index.count; position += 1) yield digestHex(index.digest(position));
}
