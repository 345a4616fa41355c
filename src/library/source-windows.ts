import { CairnError } from '../core/errors.js';
import type { ObjectSource } from './api.js';
import { interrupted, requireGoingOn } from './interruption.js';

/** Bytes cut in one go. */
export const WINDOW_BYTES = 8 * 1024 * 1024;

/** Some of a source's bytes; the last one may be empty. */
export interface SourceWindow {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/**
 * A source's bytes in windows of `WINDOW_BYTES`; their arrays belong to whoever reads on only when he is done with them.
 * @param seen is shown all bytes in order, as they come
 * @throws {CairnError} `invalid` for a source of anything but bytes, `interrupted`; what the source fails with
 */
export async function* sourceWindows(
  source: ObjectSource,
  signal: AbortSignal,
  seen: (bytes: Uint8Array) => void,
): AsyncGenerator<SourceWindow, void, void> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of untilAborted(source, signal)) {
    if (!(part instanceof Uint8Array)) throw new CairnError('invalid', 'The content of an object is bytes');
    for (let at = 0; at < part.length; ) {
      const piece = part.subarray(at, at + WINDOW_BYTES - bytes);
      seen(piece);
      parts.push(piece);
      bytes += piece.length;
      at += piece.length;
      if (bytes < WINDOW_BYTES) continue;
      yield { bytes: joined(parts), isLast: false };
      parts = [];
      bytes = 0;
    }
  }
  yield { bytes: joined(parts), isLast: true };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}

/** What the source gives; ends a source that is not read to its end, and does not wait for one that never answers. */
async function* untilAborted(source: ObjectSource, signal: AbortSignal): AsyncGenerator<unknown, void, void> {
  requireGoingOn(signal);
  if (source instanceof Uint8Array) {
    yield source;
    return;
  }
  const iterator = iteratorOf(source);
  let giveUp = (): void => undefined;
  const onAbort = (): void => giveUp();
  signal.addEventListener('abort', onAbort, { once: true });
  let ended = false;
  try {
    for (;;) {
      requireGoingOn(signal);
      const { done, value } = await new Promise<IteratorResult<unknown>>((resolve, reject) => {
        giveUp = () => reject(interrupted(signal));
        Promise.resolve(iterator.next()).then(resolve, reject);
      });
      if (done === true) break;
      yield value;
    }
    ended = true;
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!ended) end(source, iterator);
  }
}

function iteratorOf(source: Exclude<ObjectSource, Uint8Array>): AsyncIterator<unknown> | Iterator<unknown> {
  const given: unknown = source;
  if (typeof given === 'object' && given !== null) {
    if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
    if (Symbol.iterator in source) return source[Symbol.iterator]();
  }
  throw new CairnError('invalid', 'The content of an object is bytes, or something that gives them');
}

function end(source: object, iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  if ('destroy' in source && typeof source.destroy === 'function') source.destroy();
  void Promise.resolve(iterator.return?.()).catch(() => undefined);
}
