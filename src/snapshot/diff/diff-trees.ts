import type { EntryKind } from '../../archive/entry.js';
import type { Xattr } from '../../archive/xattrs.js';
import { sameDigest } from '../../core/digest.js';
import type { Timestamp } from '../../core/time.js';
import type { Shortcut, SideNode, SidePiece, TreeSide } from './tree-side.js';

/** What changed of something that both trees have. `target` is a link's, `device` a device node's number. */
export type ChangedPart = 'type' | 'content' | 'target' | 'device' | 'mode' | 'owner' | 'mtime' | 'xattrs';

/** A path in which two trees differ. */
export interface TreeDifference {
  readonly change: 'added' | 'removed' | 'changed';
  /** Bytes, relative to the trees' roots; empty for the roots themselves. */
  readonly path: Uint8Array;
  /** Of what is there now, or was. */
  readonly kind: EntryKind;
  /** Of a regular file, bytes. */
  readonly size: number;
  /** For `changed`. */
  readonly parts: readonly ChangedPart[];
}

const MODE_BITS = 0o7777;
const SLASH = Buffer.from('/');
const NOTHING = Buffer.alloc(0);

/**
 * In which paths tree `b` differs from tree `a`, by metadata alone: both are walked in step, no file is read. Content counts
 * as the same where both files are made of the same pieces of chunks, or else where they have the same size and the same
 * ctime (of PBS's snapshots: mtime). Memory does not grow with the trees, only with what changed of files with several names.
 * Paths come in order of names, but hard links found only at last.
 * @param shortcut spares looking into folders in which nothing differs
 */
export async function* diffTrees<A extends SideNode, B extends SideNode>(
  a: TreeSide<A>,
  b: TreeSide<B>,
  shortcut?: Shortcut<A, B>,
): AsyncGenerator<TreeDifference> {
  const links = shortcut && new ChangedLinks(shortcut);
  const comparison = new Comparison(a, b, shortcut);
  for await (const { difference, now } of comparison.nodes(NOTHING, await a.root(), await b.root())) {
    if (now !== undefined) await links?.told(difference.path, now);
    yield difference;
  }
  if (links === undefined || !comparison.passedOver || !links.someMissing) return;
  for await (const { difference, now } of new Comparison(a, b).nodes(NOTHING, await a.root(), await b.root())) {
    if (now !== undefined && links.isMissing(difference.path, now)) yield difference;
  }
}

/** A difference, and of what is no folder in both trees what is there now. */
interface Found<B> {
  readonly difference: TreeDifference;
  readonly now?: B;
}

/** Files of several names that changed, and under which names that was told. */
class ChangedLinks<A extends SideNode, B extends SideNode> {
  readonly #shortcut: Shortcut<A, B>;
  readonly #told = new Map<number, { readonly names: number; readonly paths: Set<string> }>();

  constructor(shortcut: Shortcut<A, B>) {
    this.#shortcut = shortcut;
  }

  async told(path: Uint8Array, now: B): Promise<void> {
    const identity = this.#shortcut.identity(now);
    let file = this.#told.get(identity);
    if (file === undefined) {
      const names = await this.#shortcut.names(now);
      if (names === 1) return;
      file = { names, paths: new Set() };
      this.#told.set(identity, file);
    }
    file.paths.add(keyOf(path));
  }

  /** Whether a file has names that were not met. */
  get someMissing(): boolean {
    return [...this.#told.values()].some(({ names, paths }) => names > paths.size);
  }

  isMissing(path: Uint8Array, now: B): boolean {
    return this.#told.get(this.#shortcut.identity(now))?.paths.has(keyOf(path)) === false;
  }
}

function keyOf(path: Uint8Array): string {
  return Buffer.from(path).toString('latin1');
}

class Comparison<A extends SideNode, B extends SideNode> {
  readonly #a: TreeSide<A>;
  readonly #b: TreeSide<B>;
  readonly #shortcut: Shortcut<A, B> | undefined;
  /** Whether any folder was not looked into. */
  passedOver = false;

  constructor(a: TreeSide<A>, b: TreeSide<B>, shortcut?: Shortcut<A, B>) {
    this.#a = a;
    this.#b = b;
    this.#shortcut = shortcut;
  }

  async *nodes(path: Buffer, before: A, now: B): AsyncGenerator<Found<B>> {
    const parts = await this.#changedParts(before, now);
    if (parts.length > 0) {
      const difference = { change: 'changed', path, kind: now.kind, size: now.size, parts } as const;
      yield now.kind === 'folder' ? { difference } : { difference, now };
    }
    const [was, is] = [before.kind === 'folder', now.kind === 'folder'];
    if (was && is) yield* this.#folders(path, before, now);
    else if (was) yield* allBelow(this.#a, path, before, 'removed');
    else if (is) yield* allBelow(this.#b, path, now, 'added');
  }

  async *#folders(path: Buffer, before: A, now: B): AsyncGenerator<Found<B>> {
    if ((await this.#shortcut?.same(before, now)) === true) {
      this.passedOver = true;
      return;
    }
    const [left, right] = [
      this.#a.children(before)[Symbol.asyncIterator](),
      this.#b.children(now)[Symbol.asyncIterator](),
    ];
    let [x, y] = [await left.next(), await right.next()];
    while (x.done !== true || y.done !== true) {
      const order = orderOf(x.done === true ? undefined : x.value.name, y.done === true ? undefined : y.value.name);
      if (order < 0 && x.done !== true) yield* withAllBelow(this.#a, path, x.value, 'removed');
      else if (order > 0 && y.done !== true) yield* withAllBelow(this.#b, path, y.value, 'added');
      else if (x.done !== true && y.done !== true)
        yield* this.nodes(joined(path, x.value.name), x.value.node, y.value.node);
      if (order <= 0) x = await left.next();
      if (order >= 0) y = await right.next();
    }
  }

  async #changedParts(before: A, now: B): Promise<ChangedPart[]> {
    if (before.kind !== now.kind) return ['type'];
    const parts: ChangedPart[] = [];
    if (now.kind === 'file' && !(await this.#sameContent(before, now))) parts.push('content');
    if (Buffer.compare(before.target ?? NOTHING, now.target ?? NOTHING) !== 0) parts.push('target');
    if (before.rdev !== now.rdev) parts.push('device');
    if ((before.mode & MODE_BITS) !== (now.mode & MODE_BITS)) parts.push('mode');
    if (before.uid !== now.uid || before.gid !== now.gid) parts.push('owner');
    if (!sameTime(before.mtime, now.mtime)) parts.push('mtime');
    if (!sameXattrs(await this.#a.xattrs(before), await this.#b.xattrs(now))) parts.push('xattrs');
    return parts;
  }

  async #sameContent(before: A, now: B): Promise<boolean> {
    if (before.size !== now.size) return false;
    if (samePieces(this.#a.pieces(before), this.#b.pieces(now))) return true;
    const [then, since] = [await this.#a.ctime(before), await this.#b.ctime(now)];
    return then !== undefined && since !== undefined ? sameTime(then, since) : sameTime(before.mtime, now.mtime);
  }
}

/** Order of two names, the absent one behind all. */
function orderOf(a: Uint8Array | undefined, b: Uint8Array | undefined): number {
  if (a === undefined) return 1;
  return b === undefined ? -1 : Buffer.compare(a, b);
}

async function* withAllBelow<N extends SideNode>(
  side: TreeSide<N>,
  path: Buffer,
  { name, node }: { readonly name: Uint8Array; readonly node: N },
  change: 'added' | 'removed',
): AsyncGenerator<{ readonly difference: TreeDifference }> {
  const own = joined(path, name);
  yield { difference: { change, path: own, kind: node.kind, size: node.size, parts: [] } };
  if (node.kind === 'folder') yield* allBelow(side, own, node, change);
}

async function* allBelow<N extends SideNode>(
  side: TreeSide<N>,
  path: Buffer,
  folder: N,
  change: 'added' | 'removed',
): AsyncGenerator<{ readonly difference: TreeDifference }> {
  for await (const child of side.children(folder)) yield* withAllBelow(side, path, child, change);
}

function joined(path: Buffer, name: Uint8Array): Buffer {
  return path.length === 0 ? Buffer.from(name) : Buffer.concat([path, SLASH, name]);
}

function sameTime(a: Timestamp, b: Timestamp): boolean {
  return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds;
}

function sameXattrs(a: readonly Xattr[], b: readonly Xattr[]): boolean {
  if (a.length !== b.length) return false;
  return a.every(({ name, value }) =>
    b.some((other) => Buffer.compare(other.name, name) === 0 && Buffer.compare(other.value, value) === 0),
  );
}

/** Whether both are known to be the same bytes, however they are cut. */
function samePieces(a: Iterable<SidePiece>, b: Iterable<SidePiece>): boolean {
  const [left, right] = [a[Symbol.iterator](), b[Symbol.iterator]()];
  let [x, y]: (SidePiece | undefined)[] = [nextOf(left), nextOf(right)];
  while (x !== undefined && y !== undefined) {
    if (x.kind !== y.kind || x.kind === 'unknown') return false;
    if (x.kind === 'chunk' && (y.kind !== 'chunk' || x.at !== y.at || !sameDigest(x.digest, y.digest))) return false;
    const length = Math.min(x.length, y.length);
    x = behind(x, length) ?? nextOf(left);
    y = behind(y, length) ?? nextOf(right);
  }
  return x === undefined && y === undefined;
}

function nextOf(pieces: Iterator<SidePiece>): SidePiece | undefined {
  const next = pieces.next();
  return next.done === true ? undefined : next.value;
}

/** What is left of a piece behind its first bytes. */
function behind(piece: SidePiece, length: number): SidePiece | undefined {
  if (piece.length === length) return undefined;
  const rest = piece.length - length;
  return piece.kind === 'chunk' ? { ...piece, at: piece.at + length, length: rest } : { ...piece, length: rest };
}
