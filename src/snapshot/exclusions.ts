import ignore, { type Ignore } from 'ignore';
import { CairnError } from '../core/errors.js';

/** Says which names of a tree are left out, by patterns as in a .gitignore file. */
export class Exclusions {
  readonly #rules: Ignore | undefined;

  /** @throws {CairnError} `invalid` for a pattern that is none */
  constructor(patterns: readonly string[]) {
    if (patterns.length === 0) return;
    try {
      this.#rules = ignore({ ignorecase: false, allowRelativePaths: true }).add([...patterns]);
      this.#rules.ignores('x');
    } catch (cause) {
      throw new CairnError('invalid', `Not patterns to exclude by: ${patterns.join(' ')}`, { cause });
    }
  }

  /** Whether nothing is left out. */
  get isNone(): boolean {
    return this.#rules === undefined;
  }

  /**
   * Whether the name is left out. Not to be asked for what is below a folder that is.
   * @param path relative to the tree's root; bytes that are no UTF-8 only fit wildcards
   */
  excludes(path: Uint8Array, isFolder: boolean): boolean {
    if (this.#rules === undefined) return false;
    const text = Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString();
    return this.#rules.ignores(isFolder ? `${text}/` : text);
  }
}
