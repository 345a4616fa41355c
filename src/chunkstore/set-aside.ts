import type { Backend } from '../backend/backend.js';
import type { Digest } from '../core/digest.js';
import { kindOf } from '../core/errors.js';
import { ChunkError } from './chunk-error.js';
import type { ChunkStates } from './chunk-states.js';
import type { ChunkStore } from './chunk-store.js';
import { type ChunkGuards, processGuards, withLock } from './guards.js';
import { badChunkName, chunkName, type PrefixDigits } from './layout.js';

/** What chunks are judged and set aside with. */
export interface SetAsideParts {
  readonly backend: Backend;
  readonly prefixDigits: PrefixDigits;
  readonly chunks: Pick<ChunkStore, 'read'>;
  readonly states: Pick<ChunkStates, 'forget'>;
}

/** Under which name the bad file is now; `sound`: it is not bad (any more); `absent`: there was no file. */
export type SetAside = { readonly kind: 'aside'; readonly name: string } | { readonly kind: 'sound' | 'absent' };

/** So many bad versions of a chunk are kept; the last place is used again. */
const PLACES = 10;

/**
 * Sets a chunk aside that was found bad or absent: looks once more with the chunk locked, since it may have been stored
 * anew, makes the state `bad` durable, and renames its file. From then on writers store the chunk anew.
 * @throws {CairnError} where the chunk cannot be read for another reason, or the state not be written: nothing is renamed
 */
export function setAside(
  parts: SetAsideParts,
  digest: Digest,
  guards: Pick<ChunkGuards, 'lock' | 'unlock'> = processGuards(),
): Promise<SetAside> {
  return withLock(guards, digest, async () => {
    const found = await judge(parts.chunks, digest);
    if (found === 'sound') return { kind: 'sound' };
    await parts.states.forget([digest], 'bad');
    if (found === 'absent') return { kind: 'absent' };
    const name = await freePlace(parts, digest);
    const [moved] = await parts.backend.moveAll([{ from: chunkName(digest, parts.prefixDigits), to: name }]);
    await parts.backend.sync();
    return moved === true ? { kind: 'aside', name } : { kind: 'absent' };
  });
}

async function judge(chunks: Pick<ChunkStore, 'read'>, digest: Digest): Promise<'sound' | 'absent' | 'corrupt'> {
  try {
    await chunks.read(digest);
    return 'sound';
  } catch (error) {
    if (error instanceof ChunkError) return error.state;
    // An encrypted chunk cannot be judged without its key.
    if (kindOf(error) === 'unsupported') return 'sound';
    throw error;
  }
}

async function freePlace({ backend, prefixDigits }: SetAsideParts, digest: Digest): Promise<string> {
  for (let place = 0; place < PLACES - 1; place += 1) {
    const name = badChunkName(digest, prefixDigits, place);
    if ((await backend.size(name)) === undefined) return name;
  }
  return badChunkName(digest, prefixDigits, PLACES - 1);
}
