import { standingChunks } from '../../chunk/standing-chunks.js';
import { sameDigest } from '../../core/digest.js';
import { sha256 } from '../../native/hash.js';
import type { ChunkUse } from '../damage/chunk-use.js';
import type { BadChunk } from '../damage/damage-map.js';
import type { CareContext } from '../job/care-context.js';
import type { SourceFiles } from './source-files.js';

/** Where several files should have the same bytes and one of them has others, so many combinations are tried. */
const MAX_ATTEMPTS = 16;

/** What came of putting a chunk together: its bytes, or why not. */
export type Rebuilt =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** Nobody has these bytes; `shown` is a path that should have. */
  | { readonly kind: 'missing'; readonly shown: string | undefined }
  /** What was found is not what the chunk held: the files have changed since. */
  | { readonly kind: 'different'; readonly shown: string | undefined };

/** Puts the plain bytes of a chunk together from what needs it and the files that have the same content; never guesses. */
export async function rebuildChunk(
  { digest, length }: BadChunk,
  uses: readonly ChunkUse[],
  sources: readonly SourceFiles[],
): Promise<Rebuilt> {
  for (const standing of standingChunks()) {
    if (sameDigest(standing.digest, digest)) return { kind: 'bytes', bytes: standing.bytes() };
  }
  const sorted = uses.toSorted((a, b) => a.at - b.at);
  let different: string | undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const filled = await fill(length, sorted, sources, attempt);
    if (filled.kind === 'missing') return filled;
    if (sameDigest(await sha256(filled.bytes), digest)) return { kind: 'bytes', bytes: filled.bytes };
    different ??= filled.shown;
    if (attempt + 1 >= filled.choices) break;
  }
  return { kind: 'different', shown: different };
}

type Filled =
  | { readonly kind: 'missing'; readonly shown: string | undefined }
  | {
      readonly kind: 'filled';
      readonly bytes: Uint8Array;
      /** The most places any stretch could have come from. */
      readonly choices: number;
      readonly shown: string | undefined;
    };

async function fill(
  length: number,
  sorted: readonly ChunkUse[],
  sources: readonly SourceFiles[],
  attempt: number,
): Promise<Filled> {
  const bytes = Buffer.alloc(length);
  let choices = 0;
  let shown: string | undefined;
  for (let position = 0; position < length; ) {
    const here = position;
    const candidates = sorted.filter(({ at, length: l }) => at <= here && at + l > here);
    const found = await firstOf(candidates, here, sources, attempt);
    if (found === undefined) return { kind: 'missing', shown: candidates[0]?.shown ?? sorted[0]?.shown };
    bytes.set(found.bytes, here);
    choices = Math.max(choices, found.choices);
    shown ??= candidates.find(({ file }) => file !== undefined)?.shown;
    position += found.bytes.length;
  }
  return { kind: 'filled', bytes, choices, shown };
}

/** The bytes from `position` to the end of a candidate, from the `attempt`th place that has them. */
async function firstOf(
  candidates: readonly ChunkUse[],
  position: number,
  sources: readonly SourceFiles[],
  attempt: number,
): Promise<{ bytes: Uint8Array; choices: number } | undefined> {
  const places: { readonly use: ChunkUse; readonly source?: SourceFiles }[] = candidates.flatMap((use) =>
    use.bytes === undefined ? sources.map((source) => ({ use, source })) : [{ use }],
  );
  for (let i = 0; i < places.length; i += 1) {
    const { use, source } = places[(i + attempt) % places.length] as (typeof places)[number];
    const skipped = position - use.at;
    if (use.bytes !== undefined) return { bytes: use.bytes.subarray(skipped), choices: places.length };
    if (use.file === undefined || source === undefined) continue;
    const file = { ...use.file, offset: use.file.offset + skipped };
    const bytes = await source.read(file, use.length - skipped);
    if (bytes !== undefined) return { bytes, choices: places.length };
  }
  return undefined;
}

/** Stores a chunk anew and notes that it is whole. It is durable with the next `commit`. */
export async function storeAnew(context: CareContext, { digest }: BadChunk, bytes: Uint8Array): Promise<void> {
  const { chunks, writes, clock } = context;
  chunks.hold(digest);
  try {
    const storedLength = await chunks.insertBytes(digest, bytes);
    await chunks.sync();
    await writes.verified([{ digest, length: bytes.length, storedLength }], clock.now().seconds);
  } finally {
    chunks.release(digest);
  }
}
