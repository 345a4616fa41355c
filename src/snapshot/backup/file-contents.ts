import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { PACKED_LIMIT_BYTES } from '../../chunk/limits.js';
import type { FileContent } from '../create/tree-source.js';
import type { BackupRecord } from './backup-record.js';
import type { KnownChunks } from './known-chunks.js';
import type { LargeFiles } from './large-files.js';
import type { PreviousTree } from './previous-tree.js';
import type { SmallFiles } from './small-files.js';
import type { WantedSource } from './source-file.js';
import type { TriedFiles } from './tried-files.js';

/** Where contents come from. */
export interface ContentSources {
  readonly previous: PreviousTree | undefined;
  readonly known: KnownChunks;
  readonly record: BackupRecord;
  /** Absent where no file is read. */
  readonly readers: { readonly small: SmallFiles; readonly large: LargeFiles } | undefined;
  /** Tries what a dry run would read instead. */
  readonly tried?: TriedFiles;
}

/** Decides where a file's content comes from: the newest snapshot, where it is proved unchanged, else the file. */
export class FileContents {
  readonly #sources: ContentSources;
  /** What is not decided at once. */
  readonly #deciding = new Set<Promise<unknown>>();

  constructor(sources: ContentSources) {
    this.#sources = sources;
  }

  /** Begins with a regular file; its node's `content` settles some time after, at the latest after `flush`. */
  begin(file: WantedSource, before: ArchiveEntry | undefined): void {
    const { previous, record } = this.#sources;
    record.figures.contentBytes += file.node.size;
    if (previous === undefined || before?.kind !== 'file') {
      record.figures.newFiles += 1;
      this.#read(file);
      return;
    }
    const known = this.#knownContent(file, before, previous);
    if (known instanceof Promise) this.#decideLater(file, known);
    else this.#decide(file, known);
  }

  /** Begins with everything that waits for more; nobody comes after it for a while. */
  async flush(): Promise<void> {
    while (this.#deciding.size > 0) await Promise.all(this.#deciding);
    this.#sources.readers?.small.flush();
  }

  #decideLater(file: WantedSource, coming: Promise<FileContent | undefined>): void {
    file.folder.retain();
    const { node } = file;
    const decided = coming
      .then((known) => {
        this.#decide(file, known);
        return { content: node.content };
      })
      .finally(() => {
        this.#deciding.delete(decided);
        file.folder.release();
      });
    this.#deciding.add(decided);
    decided.catch(() => undefined);
    node.content = decided.then(({ content }) => content);
    node.content.catch(() => undefined);
  }

  #decide(file: WantedSource, known: FileContent | undefined): void {
    const { record } = this.#sources;
    if (known === undefined) {
      record.figures.changedFiles += 1;
      this.#read(file);
      return;
    }
    record.figures.unchangedFiles += 1;
    record.passedBytes += file.node.size;
    file.node.content = known;
  }

  #read({ folder, name, node }: WantedSource): void {
    const { readers, tried } = this.#sources;
    if (node.size === 0) return;
    const reader = node.size < PACKED_LIMIT_BYTES ? readers?.small : readers?.large;
    const content = reader?.read({ folder, name, node }) ?? tried?.try({ folder, name, node });
    content?.catch(() => undefined);
    node.content = content;
  }

  /** Where the newest snapshot has the file's bytes, proved to be the same and to be there. */
  #knownContent(
    { node }: WantedSource,
    before: ArchiveEntry,
    previous: PreviousTree,
  ): FileContent | undefined | Promise<FileContent | undefined> {
    const unchanged = previous.isUnchanged(node, before);
    const content = unchanged === false ? undefined : previous.contentOf(before);
    if (content === undefined) return undefined;
    if (unchanged instanceof Promise || content instanceof Promise) return this.#proved(unchanged, content);
    if (this.#sources.readers === undefined) return content;
    const present = this.#sources.known.hasAll(content);
    if (present instanceof Promise) return present.then((all) => (all ? content : undefined));
    return present ? content : undefined;
  }

  async #proved(
    unchanged: boolean | Promise<boolean>,
    coming: FileContent | Promise<FileContent>,
  ): Promise<FileContent | undefined> {
    if (!(await unchanged)) return undefined;
    const content = await coming;
    return this.#sources.readers === undefined || (await this.#sources.known.hasAll(content)) ? content : undefined;
  }
}
