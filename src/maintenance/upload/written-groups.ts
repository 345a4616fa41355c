import type { UploadParts } from './upload-parts.js';

const GROUP = /^((?:ns\/[^/]+\/)*(?:host|vm|ct)\/[^/]+)\//;

/** The group a file of a datastore is in; undefined for what is in none. */
export function groupOfFile(path: string): string | undefined {
  return GROUP.exec(path)?.[1];
}

/** Which groups this machine writes to: in a shared object store each has one writer. */
export class WrittenGroups {
  readonly #parts: Pick<UploadParts, 'ask' | 'isShared'>;
  readonly #ours = new Map<string, boolean>();

  constructor(parts: Pick<UploadParts, 'ask' | 'isShared'>) {
    this.#parts = parts;
  }

  /** Those of the files that are this machine's to write, from now on. */
  async filter<T extends { readonly path: string }>(files: readonly T[]): Promise<T[]> {
    if (!this.#parts.isShared) return [...files];
    const ours: T[] = [];
    for (const file of files) {
      const group = groupOfFile(file.path);
      if (group === undefined || (await this.#isOurs(group))) ours.push(file);
    }
    return ours;
  }

  async #isOurs(group: string): Promise<boolean> {
    const known = this.#ours.get(group) ?? (await this.#parts.ask('take-group', group));
    this.#ours.set(group, known);
    return known;
  }
}
