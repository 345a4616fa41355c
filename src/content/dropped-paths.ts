import type { Change } from '../catalog/change.js';
import type { Catalog } from '../catalog/open.js';
import { groupPath } from '../core/group.js';

/** A folder below which names are followed no further: none is that deep, but what is torn may say anything. */
const MAX_DEPTH = 4096;

/**
 * What changes that were not applied were about: paths in the mount, each once, in the changes' order. What the catalog has is
 * named as it is there now, what the changes would have made as they would have named it. Left out are inodes without a name
 * and changes of the daemon's own.
 */
export function droppedPaths(catalog: Pick<Catalog, 'names'>, dropped: readonly Change[]): string[] {
  const paths = new DroppedPaths(catalog.names);
  for (const change of dropped) paths.add(change);
  return [...paths.all];
}

/** Where a name is, as the dropped changes would have it. */
interface MadeName {
  readonly parent: number;
  readonly name: Uint8Array;
}

class DroppedPaths {
  readonly all = new Set<string>();
  readonly #names: Pick<Catalog['names'], 'pathOf'>;
  readonly #made = new Map<number, MadeName>();
  readonly #madeByName = new Map<string, number>();
  readonly #groupFolders = new Map<number, string>();

  constructor(names: Pick<Catalog['names'], 'pathOf'>) {
    this.#names = names;
  }

  add(change: Change): void {
    switch (change.kind) {
      case 'create':
        this.#make(change.inode.ino, change);
        break;
      case 'link':
      case 'place-tree':
        this.#make(change.ino, change);
        break;
      case 'unlink':
        this.#tell(this.#pathOfName(change));
        break;
      case 'rename':
        this.#rename(change, { parent: change.newParent, name: change.newName });
        break;
      case 'create-group': {
        const path = groupPath(change.group);
        this.#groupFolders.set(change.groupIno, path);
        this.#groupFolders.set(change.currentIno, `${path}/current`);
        this.#tell(path);
        break;
      }
      case 'drop-orphan':
      case 'remove-group':
        break;
      case 'content':
        // A swap in the background changes no byte of the file.
        if (change.ifVersion === undefined) this.#tell(this.#pathOf(change.ino));
        break;
      default:
        this.#tell(this.#pathOf(change.ino));
    }
  }

  #make(ino: number, at: MadeName): void {
    // Without a name so far.
    if (at.parent === 0) return;
    this.#made.set(ino, at);
    this.#madeByName.set(keyOf(at), ino);
    this.#tell(this.#pathOfName(at));
  }

  #rename(from: MadeName, to: MadeName): void {
    this.#tell(this.#pathOfName(from));
    this.#tell(this.#pathOfName(to));
    const ino = this.#madeByName.get(keyOf(from));
    if (ino === undefined) return;
    this.#madeByName.delete(keyOf(from));
    this.#madeByName.set(keyOf(to), ino);
    this.#made.set(ino, to);
  }

  #tell(path: string | undefined): void {
    if (path !== undefined) this.all.add(path);
  }

  #pathOfName({ parent, name }: MadeName): string | undefined {
    const folder = this.#pathOf(parent);
    return folder === undefined ? undefined : `${folder}/${Buffer.from(name).toString()}`;
  }

  #pathOf(ino: number): string | undefined {
    const parts: string[] = [];
    for (let at = ino; parts.length < MAX_DEPTH; ) {
      const known = this.#names.pathOf(at);
      const folder = known === undefined ? this.#groupFolders.get(at) : Buffer.from(known).toString();
      if (folder !== undefined) return [folder, ...parts.reverse()].join('/');
      const made = this.#made.get(at);
      if (made === undefined) return undefined;
      parts.push(Buffer.from(made.name).toString());
      at = made.parent;
    }
    return undefined;
  }
}

function keyOf({ parent, name }: MadeName): string {
  return `${parent}/${Buffer.from(name).toString('latin1')}`;
}
