import { mkdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { syncFileSystem } from '../../native/files.js';
import { PayloadBytes } from '../payload-bytes.js';
import { requireEntryAt, type TreeView } from '../tree-view.js';
import { type OverwriteRule, requireNoConflict } from './overwriting.js';
import type { LeftOut, RestoreFigures, RestoreProblem } from './restore-outcome.js';
import { RestoredLinks } from './restored-links.js';
import { comparedContent, unreadContent } from './same-content.js';
import { TargetFolder } from './target-folder.js';
import { requireGoing, TreeRestorer } from './tree-restorer.js';

/** What to restore, and how. */
export interface RestoreRequest {
  readonly view: TreeView;
  readonly chunks: Pick<ChunkStore, 'read'>;
  /** Path in the snapshot; empty for all of it. */
  readonly path: string;
  /**
   * Of a folder: the folder that becomes like it. Of anything else: its new path, or a folder that is there, to hold it.
   * Absolute.
   */
  readonly target: string;
  readonly rule: OverwriteRule;
  /** Whether device nodes are made. */
  readonly devices: boolean;
  /** Whether set-uid and set-gid bits and file capabilities are set. */
  readonly setIds: boolean;
  /** Whether the content of files is compared that are equal in size and modification time. */
  readonly checksum: boolean;
  readonly signal: AbortSignal;
  /** Bytes of the payload stream that were passed, of so many; the total is undefined for a part of a snapshot. */
  onProgress(done: number, total: number | undefined): void;
  onProblem(problem: RestoreProblem): void;
  onLeftOut(left: LeftOut): void;
  /** @throws {CairnError} `stale` where the snapshot was forgotten meanwhile */
  requireSnapshot(): Promise<void>;
}

/**
 * Restores a snapshot, or a path of it, as faithfully as `rsync -aHAX` would copy it. What is there already and equal is left
 * alone, so that one that was interrupted goes on where it ended. Durable when it resolves. Holes are made where the
 * snapshot has zeros. Nothing is written outside the target, whatever the snapshot or others put in the way.
 * @throws {CairnError} `not-found` for the path, `exists` as the rule says, `interrupted`, `stale`, and what writing gives
 */
export async function restoreTree(request: RestoreRequest): Promise<RestoreFigures> {
  const { view, path } = request;
  const entry = await requireEntryAt(view, path);
  const { root, name } = openTarget(request.target, entry, path);
  try {
    const links = new RestoredLinks(root, await linkTargetsOf(view, entry));
    const payload = new PayloadBytes(view.payload, request.chunks);
    const goOn = (): void => requireGoing(request.signal);
    const sameContent = request.checksum ? comparedContent(view, payload, goOn) : unreadContent;
    const onProgress = progressFrom(request, entry);
    const restorer = new TreeRestorer(view, payload, links, { ...request, sameContent, onProgress });
    if (name === undefined) {
      if (request.rule === 'refuse') await requireNoConflict(view, entry, root, sameContent);
      await restorer.folder(entry, root);
    } else await restorer.child(entry, root, name, []);
    await synced(root.path);
    return restorer.figures;
  } finally {
    root.close();
  }
}

/**
 * The inodes in an entry that hard links lead to, where there are no records that tell how many names each has. Undefined where
 * there are, and where the archive is damaged: what of it can be read is restored all the same.
 */
async function linkTargetsOf(view: TreeView, { kind, position }: ArchiveEntry): Promise<Set<number> | undefined> {
  if (view.streams !== undefined || kind !== 'folder') return undefined;
  try {
    return await view.archive.linkTargets(position);
  } catch (error) {
    if (kindOf(error) !== 'corrupt') throw error;
    return undefined;
  }
}

function progressFrom({ view, path, onProgress }: RestoreRequest, entry: ArchiveEntry): (offset: number) => void {
  if (path === '') return (offset) => onProgress(offset, view.payload.contentLength);
  let first = entry.payload?.offset;
  return (offset) => {
    first ??= offset;
    onProgress(offset - first, entry.payload?.size);
  };
}

/** The folder to work in, and for what is no folder the name it gets there. */
function openTarget(target: string, entry: ArchiveEntry, path: string): { root: TargetFolder; name?: Buffer } {
  if (entry.kind === 'folder') {
    makeTarget(target);
    return { root: TargetFolder.open(target) };
  }
  if (isFolder(target)) return { root: TargetFolder.open(target), name: Buffer.from(basename(path)) };
  return { root: TargetFolder.open(dirname(target)), name: Buffer.from(basename(target)) };
}

/** Nobody else looks in until it has its own attributes; what leads there is as mkdir makes it. */
function makeTarget(target: string): void {
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    if (!isFolder(target)) mkdirSync(target, { mode: 0o700 });
  } catch (error) {
    throw fromSystemError(error, `make the folder ${target}`);
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch (error) {
    throw fromSystemError(error, `look at ${path}`);
  }
}

async function synced(path: string): Promise<void> {
  try {
    await syncFileSystem(join(path, '.'));
  } catch (error) {
    throw new CairnError('io', `What was restored to ${path} may not survive a power cut`, { cause: error });
  }
}
