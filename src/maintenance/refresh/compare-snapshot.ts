import { createHash } from 'node:crypto';
import { digestHex } from '../../core/digest.js';
import { kindOf } from '../../core/errors.js';
import { readIfThere } from '../../datastore/read-if-there.js';
import { getIfThere } from '../../datastore/shared/shared-objects.js';
import type { JsonObject } from '../../index/canonical-json.js';
import type { Manifest } from '../../index/manifest.js';
import { decodeManifest } from '../../index/publish.js';
import { notedManifest } from './fetch-marks.js';
import type { ListedSnapshot } from './listed-snapshots.js';
import type { RefreshParts } from './refresh-parts.js';

/** What the snapshot of a name there is to the one here. */
export type Comparison =
  | { readonly is: 'missing here' }
  /** It consists of something else: the name was used again. */
  | { readonly is: 'another' }
  /** `unprotected`: what no signature covers of the manifest there; null: it is as here. */
  | { readonly is: 'the same'; readonly unprotected: JsonObject | null };

const AS_HERE: Comparison = { is: 'the same', unprotected: null };

/**
 * Compares by manifests. One there that has gone or cannot be read is taken for as it is here.
 * @throws {CairnError} where one of them cannot be had
 */
export async function compareSnapshot(
  { reader, store, objects }: RefreshParts,
  snapshot: ListedSnapshot,
): Promise<Comparison> {
  const { path, identity } = notedManifest(snapshot);
  const here = await readIfThere(`${store}/${path}`);
  if (here === undefined) return { is: 'missing here' };
  const noted = reader.uploads.fileIdentity(path);
  if (noted === identity || (noted !== undefined && snapshot.tag === '')) return AS_HERE;
  if (createHash('md5').update(here).digest('hex') === snapshot.tag) return AS_HERE;
  const bytes = await getIfThere(objects, path);
  const there = bytes && (await readable(bytes));
  if (there === undefined) return AS_HERE;
  const known = await readable(here);
  if (known !== undefined && !haveSameFiles(known, there)) return { is: 'another' };
  return { is: 'the same', unprotected: there.unprotected };
}

async function readable(bytes: Buffer): Promise<Manifest | undefined> {
  try {
    return await decodeManifest(bytes);
  } catch (error) {
    if (kindOf(error) === 'corrupt') return undefined;
    throw error;
  }
}

function haveSameFiles(one: Manifest, other: Manifest): boolean {
  const checksums = new Map(one.files.map(({ filename, checksum }) => [filename, digestHex(checksum)]));
  return (
    one.files.length === other.files.length &&
    other.files.every(({ filename, checksum }) => checksums.get(filename) === digestHex(checksum))
  );
}
