import { type BigIntStats, readdirSync } from 'node:fs';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { CairnError } from '../../core/errors.js';
import { turn } from '../create/turns.js';
import { childrenOf, type TreeView } from '../tree-view.js';
import { isSame, mayReplace } from './overwriting.js';
import { isLocal, noRestoreFigures, type RestoreFigures } from './restore-outcome.js';
import { isExcluded } from './restore-scope.js';
import { type FolderNames, mayHaveMoreNames } from './restored-links.js';
import { type RestorerOptions, requireGoing } from './restorer-options.js';
import type { TargetFolder } from './target-folder.js';

/** A path a restore would make, with all below it, or put another thing under, or leave as it is though it differs. */
export interface PlannedChange {
  readonly path: string;
  readonly change: 'made' | 'replaced' | 'kept';
}

/** What planning is told besides what a restore is. */
export interface PlanOptions extends RestorerOptions {
  onChange(change: PlannedChange): void;
}

/** Where something is to be: an open folder of the target, or one that is still to be made. */
interface Place {
  readonly folder: TargetFolder | undefined;
  readonly path: string;
  readonly names: FolderNames;
}

const ENTRIES_PER_TURN = 64;
const SET_ID_BITS = 0o6000;

/**
 * Looks what a restore would do, and changes nothing. Its figures are those the restore would have, but for what only trying
 * shows: chunks that cannot be read, rights that are lacking, and file capabilities.
 */
export class RestorePlan {
  readonly figures: RestoreFigures = noRestoreFigures();
  readonly #view: TreeView;
  readonly #targets: ReadonlySet<number> | undefined;
  readonly #options: PlanOptions;
  /** Inodes with more names that would be there: what they are now, if anything. */
  readonly #linked = new Map<number, BigIntStats | undefined>();
  #entries = 0;

  /** @param targets as for `RestoredLinks` */
  constructor(view: TreeView, targets: ReadonlySet<number> | undefined, options: PlanOptions) {
    this.#view = view;
    this.#targets = targets;
    this.#options = options;
  }

  /** @param folder what is there; undefined where it is still to be made */
  async folder(entry: ArchiveEntry, folder: TargetFolder | undefined, path: string): Promise<void> {
    await this.#folder(entry, { folder, path, names: [] });
  }

  async #folder(entry: ArchiveEntry, place: Place): Promise<void> {
    for await (const child of childrenOf(this.#view, entry.position)) {
      if (isExcluded(this.#options.exclusions, place.names, child.name, child.entry)) this.figures.excluded += 1;
      else await this.#locally(shown(place, child.name), () => this.child(child.entry, place, child.name));
    }
    this.figures.folders += 1;
  }

  /** Plans one entry under a name of a folder. */
  async child(entry: ArchiveEntry, place: Place, name: Uint8Array): Promise<void> {
    this.#entries += 1;
    if (this.#entries % ENTRIES_PER_TURN === 0) await turn();
    requireGoing(this.#options.signal);
    const existing = place.folder?.stat(name);
    if (entry.kind === 'folder') return this.#subfolder(entry, place, name, existing);
    const record = await this.#view.record(entry.position);
    const inode = record?.sameAs ?? entry.position;
    const same = existing !== undefined && (await this.#isSame(entry, place, name, existing));
    if (this.#linked.has(inode)) return this.#link(inode, entry, place, name, existing, same);
    const stays = same && isLeftInPlace(entry, place, existing);
    if (stays) this.figures.unchanged += 1;
    else if (!this.#mayMake(entry, place, name, existing, same) || !this.#make(entry, place, name, existing)) return;
    if (mayHaveMoreNames(this.#targets, inode, record)) this.#linked.set(inode, stays ? existing : undefined);
  }

  async #subfolder(
    entry: ArchiveEntry,
    place: Place,
    name: Uint8Array,
    existing: BigIntStats | undefined,
  ): Promise<void> {
    const below = { path: shown(place, name), names: [...place.names, name] };
    if (place.folder !== undefined && existing?.isDirectory()) {
      const folder = place.folder.openFolder(name);
      try {
        return await this.#folder(entry, { ...below, folder });
      } finally {
        folder.close();
      }
    }
    if (!this.#mayMake(entry, place, name, existing, false)) return;
    this.#tell(place, name, existing);
    await this.#folder(entry, { ...below, folder: undefined });
  }

  #link(
    inode: number,
    entry: ArchiveEntry,
    place: Place,
    name: Uint8Array,
    existing: BigIntStats | undefined,
    same: boolean,
  ): void {
    const first = this.#linked.get(inode);
    if (existing !== undefined && existing.ino === first?.ino && existing.dev === first.dev) {
      this.figures.unchanged += 1;
      return;
    }
    if (!this.#mayMake(entry, place, name, existing, same)) return;
    this.#tell(place, name, existing);
    this.figures.links += 1;
  }

  /** Counts a file, or anything but a folder. @returns false where it would be left out */
  #make(entry: ArchiveEntry, place: Place, name: Uint8Array, existing: BigIntStats | undefined): boolean {
    const path = shown(place, name);
    const isDevice = entry.kind === 'block' || entry.kind === 'character';
    if (isDevice && !this.#options.devices) {
      this.#options.onLeftOut({ path, what: 'device' });
      return false;
    }
    const isFile = entry.kind === 'file';
    if (isFile && !this.#options.setIds && (entry.mode & SET_ID_BITS) !== 0) {
      this.#options.onLeftOut({ path, what: 'set-id' });
    }
    this.#tell(place, name, existing);
    this.figures[isFile ? 'files' : 'others'] += 1;
    if (isFile) this.figures.bytes += entry.size;
    return true;
  }

  /**
   * Whether something can be made here, in place of what is there, as the rule says.
   * @throws {CairnError} `exists` as the rule says; `not-empty`
   */
  #mayMake(
    entry: ArchiveEntry,
    place: Place,
    name: Uint8Array,
    existing: BigIntStats | undefined,
    same: boolean,
  ): boolean {
    if (existing === undefined || same) return true;
    const path = shown(place, name);
    if (!mayReplace(this.#options.rule, existing, entry, path)) {
      this.figures.kept += 1;
      this.#options.onChange({ path, change: 'kept' });
      return false;
    }
    const inTheWay = existing.isDirectory() ? place.folder?.doing('read', name, (at) => readdirSync(at)) : [];
    if (inTheWay !== undefined && inTheWay.length > 0) {
      throw new CairnError('not-empty', `Cannot remove ${path}: ENOTEMPTY`);
    }
    return true;
  }

  /** What is made in a folder that is to be made goes without saying. */
  #tell(place: Place, name: Uint8Array, existing: BigIntStats | undefined): void {
    if (place.folder === undefined) return;
    this.#options.onChange({ path: shown(place, name), change: existing === undefined ? 'made' : 'replaced' });
  }

  async #isSame(entry: ArchiveEntry, { folder }: Place, name: Uint8Array, existing: BigIntStats): Promise<boolean> {
    return folder !== undefined && isSame(folder, name, existing, entry, this.#options.sameContent);
  }

  async #locally(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isLocal(error)) throw error;
      this.#options.onProblem({ path, message: error.message });
    }
  }
}

/** Whether what is equal only gets its attributes: else it may be a node of somebody else's, and is made anew. */
function isLeftInPlace({ kind, uid, gid }: ArchiveEntry, { folder }: Place, existing: BigIntStats): boolean {
  if (kind !== 'file') return folder?.isPrivate === true;
  return existing.nlink <= 1n || (Number(existing.uid) === uid && Number(existing.gid) === gid);
}

function shown({ path }: Place, name: Uint8Array): string {
  return `${path}/${Buffer.from(name).toString()}`;
}
