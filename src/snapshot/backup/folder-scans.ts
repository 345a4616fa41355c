import { SourceFolder } from '../../native/source.js';
import { errnoText } from './backup-record.js';

/** Folders next to the one being walked that are read beforehand. */
const FOLDERS_AHEAD = 6;

/** Subfolders of a folder, a few of them read before they are asked for. */
export class FolderScans {
  readonly #folder: SourceFolder;
  readonly #coming: Iterator<[number, Uint8Array]>;
  readonly #scans = new Map<number, Promise<SourceFolder | string>>();

  /** @param names by a number each is asked for by, in the order they will be asked for */
  constructor(folder: SourceFolder, names: ReadonlyMap<number, Uint8Array>) {
    this.#folder = folder;
    this.#coming = names.entries();
    this.#ahead();
  }

  /** The folder, or why it cannot be read; undefined where it is none of those. Each is asked for once, in order. */
  async take(index: number): Promise<SourceFolder | string | undefined> {
    const scan = this.#scans.get(index);
    if (scan === undefined) return undefined;
    this.#scans.delete(index);
    this.#ahead();
    return scan;
  }

  /** Closes what nobody asked for. */
  async close(): Promise<void> {
    for (const scan of this.#scans.values()) {
      const folder = await scan;
      if (folder instanceof SourceFolder) folder.close();
    }
  }

  #ahead(): void {
    while (this.#scans.size < FOLDERS_AHEAD) {
      const next = this.#coming.next();
      if (next.done === true) return;
      const [index, name] = next.value;
      this.#scans.set(index, this.#scan(name));
    }
  }

  async #scan(name: Uint8Array): Promise<SourceFolder | string> {
    try {
      return await this.#folder.subfolder(name);
    } catch (error) {
      const { errno } = error as NodeJS.ErrnoException;
      if (errno === undefined) throw error;
      return errnoText(Math.abs(errno));
    }
  }
}
