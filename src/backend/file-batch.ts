import { type FileToPut, putNewFiles, whichMayStand } from '../native/files.js';

/** Permission bits of an object's file. */
export const FILE_MODE = 0o644;

interface Waiting<T, R> {
  readonly what: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What several backends want of files at the same time, for one object, done in one call of the addon instead of one each:
 * the way to a pool thread and back takes longer than most of it. What is asked for until promises that are settled have
 * run their course goes together.
 */
export class FileBatch {
  #puts: Waiting<FileToPut, void>[] = [];
  #looks: Waiting<string, boolean>[] = [];

  /** Puts a file where none stands, not durably. @throws {Error} the system's; `EEXIST` where something stands */
  put(file: FileToPut): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#flushLater();
      this.#puts.push({ what: file, resolve, reject });
    });
  }

  /** Whether something stands at a path, or that cannot be told. */
  mayStand(path: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#flushLater();
      this.#looks.push({ what: path, resolve, reject });
    });
  }

  #flushLater(): void {
    if (this.#puts.length + this.#looks.length > 0) return;
    process.nextTick(() => {
      const [puts, looks] = [this.#puts, this.#looks];
      this.#puts = [];
      this.#looks = [];
      if (puts.length > 0) void putAll(puts);
      if (looks.length > 0) void lookAtAll(looks);
    });
  }
}

async function putAll(waiting: readonly Waiting<FileToPut, void>[]): Promise<void> {
  const results = putNewFiles(
    waiting.map(({ what }) => what),
    FILE_MODE,
  );
  await settleAll(waiting, results, (failure, { resolve, reject }) => {
    if (failure === undefined) resolve();
    else reject(failure);
  });
}

async function lookAtAll(waiting: readonly Waiting<string, boolean>[]): Promise<void> {
  const results = whichMayStand(waiting.map(({ what }) => what));
  await settleAll(waiting, results, (stands, { resolve }) => resolve(stands));
}

async function settleAll<W extends { readonly reject: (error: unknown) => void }, R>(
  waiting: readonly W[],
  results: Promise<readonly R[]>,
  settle: (result: R, waiting: W) => void,
): Promise<void> {
  try {
    const all = await results;
    waiting.forEach((one, at) => {
      settle(all[at] as R, one);
    });
  } catch (error) {
    for (const { reject } of waiting) reject(error);
  }
}
