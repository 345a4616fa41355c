import type { SourceFolder } from '../../native/source.js';
import type { SourceNode } from './source-node.js';

/** A folder of the source, open for as long as somebody needs it. */
export class OpenFolder {
  readonly folder: SourceFolder;
  /** Relative to the source; empty for the source itself. */
  readonly path: Buffer;
  #users = 1;

  constructor(folder: SourceFolder, path: Buffer) {
    this.folder = folder;
    this.path = path;
  }

  /** Keeps it open until one more `release`. */
  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.folder.close();
  }

  /** The path of a name in it. */
  pathOf(name: Uint8Array): Buffer {
    return this.path.length === 0 ? Buffer.from(name) : Buffer.concat([this.path, SLASH, name]);
  }
}

const SLASH = Buffer.from('/');

/** A regular file of the source whose bytes are wanted. */
export interface WantedSource {
  readonly folder: OpenFolder;
  readonly name: Uint8Array;
  readonly node: SourceNode;
}
