import type { AttributesReader } from '../../archive/attributes-reader.js';
import type { ArchiveReader } from '../../archive/reader.js';
import { kindOf } from '../../core/errors.js';
import { type WalkedFile, walkArchive } from './archive-walk.js';

/**
 * The names of files beyond those a walk met: hard links stand where their folder does, not where their payload lies, so a
 * walk that passes folders over misses them.
 */
export class OtherNames {
  /** By position of the file's ENTRY: the paths that were met. */
  readonly #met = new Map<number, Set<string>>();

  /** The walk has met this name. */
  meet({ entry, path }: WalkedFile): void {
    const paths = this.#met.get(entry.position) ?? new Set();
    this.#met.set(entry.position, paths.add(path.toString('latin1')));
  }

  /**
   * Finds the names that were not met, by looking at every folder, where there are any.
   * @param attributes says how many names each file has; undefined: nobody recorded that
   */
  async *find(archive: ArchiveReader, attributes: AttributesReader | undefined): AsyncGenerator<WalkedFile> {
    if (!(await this.#areThereAny(attributes))) return;
    for await (const walked of walkArchive(archive, () => true)) {
      if (walked.kind !== 'file') continue;
      const paths = this.#met.get(walked.entry.position);
      if (paths !== undefined && !paths.has(walked.path.toString('latin1'))) yield walked;
    }
  }

  async #areThereAny(attributes: AttributesReader | undefined): Promise<boolean> {
    for (const [position, paths] of this.#met) {
      if ((await namesOf(attributes, position)) > paths.size) return true;
    }
    return false;
  }
}

/** How many names the file has; any number where that cannot be told. */
async function namesOf(attributes: AttributesReader | undefined, position: number): Promise<number> {
  try {
    return (await attributes?.record(position))?.nlink ?? Number.POSITIVE_INFINITY;
  } catch (error) {
    if (kindOf(error) !== 'corrupt') throw error;
    return Number.POSITIVE_INFINITY;
  }
}
