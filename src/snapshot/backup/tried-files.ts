import pLimit from 'p-limit';
import { type BackupRecord, tellUnreadable } from './backup-record.js';
import type { WantedSource } from './source-file.js';

const FILES_AT_ONCE = 8;

/** Opens the files that a dry run would read, so that it names those that cannot be. */
export class TriedFiles {
  readonly #record: BackupRecord;
  readonly #atOnce = pLimit(FILES_AT_ONCE);

  constructor(record: BackupRecord) {
    this.#record = record;
  }

  /** Resolves when that is known, and the file counted as one that would be read if it can be. */
  try(wanted: WantedSource): Promise<undefined> {
    wanted.folder.retain();
    return this.#atOnce(() => this.#try(wanted)).finally(() => wanted.folder.release());
  }

  async #try({ folder, name, node }: WantedSource): Promise<undefined> {
    try {
      const file = await folder.folder.openFile(name);
      file.close();
      this.#record.figures.readBytes += node.size;
    } catch (error) {
      tellUnreadable(this.#record, folder.pathOf(name), error);
    }
  }
}
