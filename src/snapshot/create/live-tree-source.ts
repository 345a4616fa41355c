import type { Xattr } from '../../archive/xattrs.js';
import { type Inode, STORAGE_PACKED } from '../../catalog/inode.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import type { Child } from '../../catalog/picture.js';
import { CairnError } from '../../core/errors.js';
import type { FileFitter } from './file-fitter.js';
import { holesOf } from './tree-figures.js';
import type { FileContent, TreeChildNode, TreeSource } from './tree-source.js';

/** A live tree as a picture shows it. File data is not touched but for what `fitter` has to pack or cut first. */
export class LiveTreeSource implements TreeSource<Readonly<Inode>> {
  readonly #reader: CatalogReader;
  readonly #fitter: FileFitter;
  readonly #rootIno: number;

  constructor(reader: CatalogReader, fitter: FileFitter, rootIno: number) {
    this.#reader = reader;
    this.#fitter = fitter;
    this.#rootIno = rootIno;
  }

  root(): Readonly<Inode> {
    const root = this.#reader.inodes.find(this.#rootIno);
    if (root === undefined) throw new CairnError('stale', 'The live tree is gone');
    return root;
  }

  children({ ino }: Readonly<Inode>): { next(): TreeChildNode<Readonly<Inode>> | undefined } {
    const children = this.#reader.children.byName(ino);
    return { next: () => childOf(children.next()) };
  }

  xattrs({ ino }: Readonly<Inode>): readonly Xattr[] {
    return this.#reader.xattrs.all(ino);
  }

  content(inode: Readonly<Inode>): FileContent | Promise<FileContent> {
    const extents = this.#fitter.fitting(inode);
    if (extents === undefined) return this.#fitter.fit(inode).then((fitted) => this.#contentOf(inode, fitted));
    return this.#contentOf(inode, extents);
  }

  #contentOf(inode: Readonly<Inode>, extents: Awaited<ReturnType<FileFitter['fit']>>): FileContent {
    const [only] = extents;
    if (only === undefined || this.#fitter.storage(inode) !== STORAGE_PACKED) {
      return { kind: 'large', extents, holes: holesOf(inode.size, extents) };
    }
    return { kind: 'packed', digest: only.digest, chunkLength: only.chunkLength, at: only.at };
  }
}

function childOf(result: IteratorResult<Child>): TreeChildNode<Readonly<Inode>> | undefined {
  return result.done === true ? undefined : { name: result.value.name, node: result.value.inode };
}
