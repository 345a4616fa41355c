import { chunkFolders, chunkName } from '../../chunkstore/layout.js';
import { type Digest, digestFromHex, digestHex } from '../../core/digest.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { atOnce } from '../verify/at-once.js';
import type { Findings } from './findings.js';

const LISTED_AT_ONCE = 1000;
const SIZES_AT_ONCE = 8;
const CHUNK = /^[0-9a-f]{64}$/;
const BAD_CHUNK = /^[0-9a-f]{64}\.[0-9]\.bad$/;
const VERIFY = 'run "cairn verify" to have it noted and the files concerned named';

/** Compares the chunk files that are there with those the catalog says are. */
export async function checkChunkFiles(context: CareContext, findings: Findings): Promise<void> {
  const { prefixDigits, signal } = context;
  const strays: Digest[] = [];
  const folders = chunkFolders(prefixDigits);
  for (const [done, folder] of folders.entries()) {
    requireWanted(signal);
    context.progress({ step: 'checking chunk files', done, total: folders.length, unit: 'items' });
    await checkFolder(context, findings, folder, strays);
  }
  if (strays.length > 0) await tellStrays(context, findings, strays);
}

async function checkFolder(context: CareContext, findings: Findings, folder: string, strays: Digest[]): Promise<void> {
  const { catalog, objects } = context;
  const there = new Set<string>();
  for await (const name of objects.list(folder)) {
    const hex = name.slice(name.lastIndexOf('/') + 1);
    if (CHUNK.test(hex)) there.add(hex);
    else tellOther(findings, name, hex);
  }
  const rows = [...chunksIn(context, folder)];
  await atOnce(SIZES_AT_ONCE, rows, async ({ digest, stored }) => {
    const hex = digestHex(digest);
    if (!there.delete(hex)) await tellMissing(context, findings, digest);
    else if (stored > 0) await checkSize(context, findings, digest, stored);
  });
  for (const hex of there) {
    if (catalog.chunks.find(digestFromHex(hex)) === undefined) strays.push(digestFromHex(hex));
  }
}

/** Chunks the catalog says are in the folder, by the digests that belong there. */
export function* chunksIn(
  { catalog }: Pick<CareContext, 'catalog'>,
  folder: string,
): Generator<{ digest: Digest; stored: number }> {
  const prefix = folder.slice(folder.lastIndexOf('/') + 1);
  const first = Buffer.from(prefix.padEnd(64, '0'), 'hex');
  for (let after: Uint8Array = justBefore(first); ; ) {
    const listed = catalog.chunks.list(after, LISTED_AT_ONCE);
    for (const { digest, stored, state } of listed) {
      if (!digestHex(digest).startsWith(prefix)) return;
      if (state === 'present') yield { digest, stored };
    }
    const last = listed.at(-1);
    if (last === undefined || listed.length < LISTED_AT_ONCE) return;
    after = last.digest;
  }
}

/** What sorts before this digest and behind every lower one. */
function justBefore(digest: Buffer): Buffer {
  return digest.subarray(0, digest.length - 1);
}

async function tellMissing(context: CareContext, findings: Findings, digest: Digest): Promise<void> {
  const path = chunkName(digest, context.prefixDigits);
  // Once more, in this order: collection notes it before it takes the file.
  if ((await context.objects.size(path)) !== undefined) return;
  if (context.catalog.chunks.find(digest)?.state !== 'present') return;
  const message = 'a chunk the catalog says is present is not there';
  findings.add({ severity: 'damage', kind: 'missing-chunk', path, message, advice: VERIFY });
}

async function checkSize(context: CareContext, findings: Findings, digest: Digest, stored: number): Promise<void> {
  const path = chunkName(digest, context.prefixDigits);
  const size = await context.objects.size(path);
  const known = context.catalog.chunks.find(digest);
  if (size === undefined || size === stored || known?.state !== 'present' || known.stored === size) return;
  const message = `the chunk's file has ${size} bytes, the catalog says ${known.stored}`;
  findings.add({ severity: 'damage', kind: 'chunk-size', path, message, advice: VERIFY });
}

function tellOther(findings: Findings, path: string, name: string): void {
  if (BAD_CHUNK.test(name)) {
    const message = 'a bad chunk that was set aside';
    const advice = 'remove it when nobody wants to look at it any more; "cairn repair" says what it concerned';
    findings.add({ severity: 'untidy', kind: 'bad-chunk-aside', path, message, advice });
  } else {
    const message = 'a file that is no chunk';
    findings.add({ severity: 'untidy', kind: 'unknown-file', path, message, advice: 'remove it if nobody needs it' });
  }
}

/** A chunk that is being written is known once the change that names it is committed. */
async function tellStrays(context: CareContext, findings: Findings, strays: readonly Digest[]): Promise<void> {
  await context.writes.commit();
  for (const digest of strays) {
    if (context.catalog.chunks.find(digest) !== undefined) continue;
    const path = chunkName(digest, context.prefixDigits);
    const message = 'a chunk nobody knows';
    findings.add({ severity: 'untidy', kind: 'stray-chunk', path, message, advice: '"cairn gc" takes it away' });
  }
}
