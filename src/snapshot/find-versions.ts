import type { EntryKind } from '../archive/entry.js';
import type { ArchiveEntry } from '../archive/entry-decoder.js';
import { childrenOf, entryAt, type TreeView } from './tree-view.js';

/** What a path was in one snapshot. */
export interface PathVersion {
  /** Of the snapshot, epoch seconds. */
  readonly time: number;
  /** Against the snapshot before: `gone` where that had it, `changed` where content or attributes differ. */
  readonly change: 'appeared' | 'changed' | 'same' | 'gone';
  /** Undefined where it is gone. */
  readonly kind?: EntryKind;
  readonly size?: number;
  /** Epoch seconds. */
  readonly mtime?: number;
}

/** A path and what became of it, oldest snapshot first. */
export interface FoundPath {
  readonly path: string;
  readonly versions: PathVersion[];
}

/** A snapshot's tree, opened when its turn comes. */
export interface DatedTree {
  readonly time: number;
  open(): Promise<TreeView>;
}

/**
 * Looks for a path, or a pattern with `*`, `?`, `[…]` in its components and `**` for any number of folders, in
 * snapshots from the oldest on. Without a pattern only the folders on the way are looked at.
 * @returns the paths in the order they were first found; memory grows with what is found
 */
export async function findVersions(trees: Iterable<DatedTree>, pattern: string): Promise<FoundPath[]> {
  const found = new Map<string, { path: FoundPath; last: ArchiveEntry | undefined; ctime: string }>();
  const matchers = pattern.split('/').filter((part) => part !== '');
  for (const { time, open } of trees) {
    const view = await open();
    const seen = new Set<string>();
    for await (const { path, entry } of matches(view, matchers)) {
      seen.add(path);
      const ctime = JSON.stringify((await view.record(entry.position))?.ctime ?? null);
      const known = found.get(path) ?? { path: { path, versions: [] }, last: undefined, ctime: '' };
      known.path.versions.push({
        ...{ time, change: changeOf(known, entry, ctime), kind: entry.kind, size: entry.size },
        mtime: entry.mtimeSec,
      });
      found.set(path, { ...known, last: entry, ctime });
    }
    for (const [path, known] of found) {
      if (seen.has(path) || known.last === undefined) continue;
      known.path.versions.push({ time, change: 'gone' });
      found.set(path, { ...known, last: undefined });
    }
  }
  return [...found.values()].map(({ path }) => path);
}

function changeOf(
  before: { readonly last: ArchiveEntry | undefined; readonly ctime: string },
  now: ArchiveEntry,
  ctime: string,
): PathVersion['change'] {
  const { last } = before;
  if (last === undefined) return 'appeared';
  const isSame =
    last.mode === now.mode &&
    last.uid === now.uid &&
    last.gid === now.gid &&
    last.size === now.size &&
    last.mtimeSec === now.mtimeSec &&
    last.mtimeNsec === now.mtimeNsec &&
    last.rdev === now.rdev &&
    Buffer.compare(last.target ?? NOTHING, now.target ?? NOTHING) === 0 &&
    before.ctime === ctime;
  return isSame ? 'same' : 'changed';
}

const NOTHING = new Uint8Array(0);
const MAGIC = /[*?[]/;

interface Match {
  readonly path: string;
  readonly entry: ArchiveEntry;
}

async function* matches(view: TreeView, parts: readonly string[]): AsyncGenerator<Match> {
  const plain = parts.findIndex((part) => MAGIC.test(part));
  const fixed = plain < 0 ? parts : parts.slice(0, plain);
  const entry = await entryAt(
    view,
    fixed.map((part) => Buffer.from(part)),
  );
  if (entry === undefined) return;
  const path = fixed.join('/');
  if (plain < 0) yield { path, entry };
  else yield* matchesBelow(view, { path, entry }, parts.slice(plain));
}

async function* matchesBelow(view: TreeView, folder: Match, parts: readonly string[]): AsyncGenerator<Match> {
  const [part, ...rest] = parts;
  if (part === undefined || folder.entry.kind !== 'folder') return;
  if (part === '**') yield* matchesBelow(view, folder, rest.length === 0 ? ['*'] : rest);
  const wanted = part === '**' ? undefined : nameMatcher(part);
  for await (const { name, entry } of childrenOf(view, folder.entry.position)) {
    const text = Buffer.from(name).toString();
    const child = { path: folder.path === '' ? text : `${folder.path}/${text}`, entry };
    if (wanted === undefined) yield* matchesBelow(view, child, parts);
    else if (!wanted.test(text)) continue;
    else if (rest.length === 0) yield child;
    else yield* matchesBelow(view, child, rest);
  }
}

/** One component of a pattern as an expression for whole names. */
export function nameMatcher(part: string): RegExp {
  const source = part.replace(/\[(!?)([^\]]+)\]|[*?]|[\\^$.|+(){}[\]]/gs, (token, negated: string, set: string) => {
    if (token === '*') return '.*';
    if (token === '?') return '.';
    if (set !== undefined) return `[${negated === '' ? '' : '^'}${set.replace(/[\\\]^]/g, '\\$&')}]`;
    return `\\${token}`;
  });
  return new RegExp(`^${source}$`, 'su');
}
