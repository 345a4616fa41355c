import { dirname } from 'node:path';
import { CairnError } from '../../core/errors.js';
import type { Spread } from '../../datastore/object-store.js';
import { readIfThere } from '../../datastore/read-if-there.js';
import { makeFolders, putFile, syncFolder } from '../../native/files.js';
import { copyName, isManifest, type Member, pathsOn } from './copy-indexes.js';

const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/**
 * Brings files back that a datastore's folder lacks and backends have.
 * @returns how many
 * @throws {CairnError} `unreachable` where so many backends are silent that they may have what no other has, or those that
 *   have a file cannot read it; what was brought back stays
 */
export async function restoreIndexes(store: string, spread: Spread): Promise<number> {
  let restored = 0;
  // What a manifest speaks of before it.
  const names = [...(await allCopies(spread))].sort((a, b) => Number(isManifest(a)) - Number(isManifest(b)));
  for (const path of names) {
    if ((await readIfThere(`${store}/${path}`)) !== undefined) continue;
    const bytes = await readCopy(spread, path);
    if (bytes === undefined) continue;
    const parts = dirname(path).split('/');
    const folders = parts.map((_, at) => `${store}/${parts.slice(0, at + 1).join('/')}`);
    await makeFolders(folders, FOLDER_MODE);
    await putFile(`${store}/${path}`, `${store}/${path}.tmp_000000`, bytes, { mode: FILE_MODE, sync: true });
    for (const folder of [store, ...folders].reverse()) await syncFolder(folder);
    restored += 1;
  }
  return restored;
}

/** A backend that did not do what it was asked. */
interface Failure {
  readonly id: string;
  readonly error: unknown;
}

/** Paths of all files there are copies of: each is on one backend more than may be lost. */
async function allCopies({ members }: Spread): Promise<Set<string>> {
  const paths = new Set<string>();
  const failures: Failure[] = [];
  await Promise.all(
    members.all.map(async (member) => {
      try {
        const found = await member.ask(pathsOn);
        await member.prove();
        for (const path of found) paths.add(path);
      } catch (error) {
        failures.push({ id: member.settings.id, error });
      }
    }),
  );
  // What was made while another redundancy counted may be on fewer.
  if (failures.length > (members.converting ? 0 : members.mostTolerated)) throw unreadable('index files', failures);
  return paths;
}

/**
 * The bytes most backends agree on: what a disk spoilt is told by others, and by its checksum when it is opened.
 * @returns undefined where all of them have none by now
 */
async function readCopy({ members }: Spread, path: string): Promise<Buffer | undefined> {
  const found: { readonly bytes: Buffer; count: number }[] = [];
  const failures: Failure[] = [];
  for (const member of members.order(path)) {
    const bytes = await copyOn(member, path, failures);
    const same = bytes && found.find((other) => other.bytes.equals(bytes));
    if (same !== undefined) same.count += 1;
    else if (bytes !== undefined) found.push({ bytes, count: 1 });
  }
  const [most] = found.sort((one, other) => other.count - one.count);
  if (most === undefined && failures.length > 0) throw unreadable(path, failures);
  return most?.bytes;
}

async function copyOn(member: Member, path: string, failures: Failure[]): Promise<Buffer | undefined> {
  try {
    return await member.find((backend) => backend.get(copyName(path)));
  } catch (error) {
    failures.push({ id: member.settings.id, error });
    return undefined;
  }
}

function unreadable(what: string, failures: readonly Failure[]): CairnError {
  const sorted = [...failures].sort((one, other) => (one.id < other.id ? -1 : 1));
  const told = sorted.map(({ id, error }) => `${id} (${error instanceof Error ? error.message : String(error)})`);
  const advice = 'bring them back, or do without one that is lost for good: "cairn backend remove --lost ID"';
  return new CairnError('unreachable', `Cannot bring ${what} back from the backends ${told.join(', ')}: ${advice}`, {
    cause: sorted[0]?.error,
  });
}
