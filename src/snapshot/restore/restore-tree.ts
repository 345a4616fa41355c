import { existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { syncFileSystem } from '../../native/files.js';
import { Exclusions } from '../exclusions.js';
import { PayloadBytes } from '../payload-bytes.js';
import { requireEntryAt, type TreeView } from '../tree-view.js';
import { type OverwriteRule, requireNoConflict } from './overwriting.js';
import { type PlannedChange, RestorePlan } from './plan-restore.js';
import type { LeftOut, RestoreFigures, RestoreProblem } from './restore-outcome.js';
import { RestoredLinks } from './restored-links.js';
import { type RestorerOptions, requireGoing } from './restorer-options.js';
import { comparedContent, unreadContent } from './same-content.js';
import { TargetFolder } from './target-folder.js';
import { TreeRestorer } from './tree-restorer.js';

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
  /** Patterns as in a .gitignore file, from the folder that is restored on. */
  readonly excludes: readonly string[];
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
  const payload = new PayloadBytes(view.payload, request.chunks);
  const options = optionsOf(request, entry, payload);
  const { root, name } = openTarget(request.target, entry, path);
  try {
    const links = new RestoredLinks(root, await linkTargetsOf(view, entry));
    const restorer = new TreeRestorer(view, payload, links, options);
    if (name === undefined) {
      if (request.rule === 'refuse') await requireNoConflict(view, entry, root, options);
      await restorer.folder(entry, root);
    } else await restorer.child(entry, root, name, []);
    await synced(root.path);
    return restorer.figures;
  } finally {
    root.close();
  }
}

/**
 * Tells what `restoreTree` would do, and changes nothing. What only trying shows is not told (see `RestorePlan`).
 * @param onChange told of what would be made, replaced or kept though it differs; of a folder to be made not what is in it
 * @throws {CairnError} as `restoreTree`
 */
export async function planRestore(
  request: RestoreRequest,
  onChange: (change: PlannedChange) => void,
): Promise<RestoreFigures> {
  const { view, path, target } = request;
  const entry = await requireEntryAt(view, path);
  const options = { ...optionsOf(request, entry, new PayloadBytes(view.payload, request.chunks)), onChange };
  const isNew = entry.kind === 'folder' && !isFolder(target);
  if (isNew && existsSync(target)) throw new CairnError('exists', `Cannot make the folder ${target}: EEXIST`);
  const opened = isNew ? undefined : openTarget(target, entry, path);
  try {
    const plan = new RestorePlan(view, await linkTargetsOf(view, entry), options);
    if (opened?.name !== undefined) {
      await plan.child(entry, { folder: opened.root, path: opened.root.path, names: [] }, opened.name);
    } else {
      if (opened !== undefined && request.rule === 'refuse') {
        await requireNoConflict(view, entry, opened.root, options);
      }
      if (isNew) onChange({ path: target, change: 'made' });
      await plan.folder(entry, opened?.root, target);
    }
    return plan.figures;
  } finally {
    opened?.root.close();
  }
}

function optionsOf(request: RestoreRequest, entry: ArchiveEntry, payload: PayloadBytes): RestorerOptions {
  const goOn = (): void => requireGoing(request.signal);
  const sameContent = request.checksum ? comparedContent(request.view, payload, goOn) : unreadContent;
  const exclusions = new Exclusions(request.excludes);
  return { ...request, sameContent, exclusions, onProgress: progressFrom(request, entry) };
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
