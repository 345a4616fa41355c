import type { Command } from 'commander';
import { CairnError } from '../core/errors.js';
import { openSnapshotView } from '../daemon/open-snapshot-view.js';
import type { ReadableDatastore } from '../datastore/open.js';
import { diffTrees, type TreeDifference } from '../snapshot/diff/diff-trees.js';
import {
  liveSide,
  type Shortcut,
  type SideNode,
  snapshotShortcut,
  snapshotSide,
  type TreeSide,
} from '../snapshot/diff/tree-side.js';
import { requireGroup, requireSnapshot } from '../snapshot/find-snapshot.js';
import type { TreeView } from '../snapshot/tree-view.js';
import { optionsOf } from './context.js';
import { print, printJsonLine } from './output.js';
import { withReader } from './reading-store.js';
import { askSnapshots } from './snapshot-asking.js';
import { type ChosenTree, chooseTree } from './tree-choice.js';

const SIGN = { added: '+', removed: '-', changed: 'M' } as const;

/** `cairn snapshot diff A B` */
export function addSnapshotDiff(snapshot: Command): void {
  snapshot
    .command('diff')
    .description('list the paths that differ between two snapshots, or a snapshot and the live tree')
    .argument('<a>', 'the older one, such as host/web1/2026-11-20T10:00:00Z, or its path inside a mount')
    .argument('<b>', 'the newer one, such as host/web1/latest or host/web1/current')
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `
No file is read: content counts as changed where a file is made of other pieces and its ctime differs.
+ added, - removed, M changed, with what changed: type, content, target, device, mode, owner, mtime, xattrs.

Examples:
  $ cairn snapshot diff host/web1/2026-11-20T10:00:00Z host/web1/latest
  $ cairn snapshot diff --json host/web1/latest host/web1/current`,
    )
    .action(run);
}

async function run(first: string, second: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const [a, b] = [await chooseTree(first, options.store), await chooseTree(second, options.store)];
  if (a.path !== '' || b.path !== '')
    throw new CairnError('invalid', 'Whole trees are compared: give no paths in them');
  for (const { store, tree } of [a, b]) if (tree.which === 'current') await askSnapshots(store, 'catalog-commit', {});
  const isJson = options.json === true;
  await withReader(a.store, (older) =>
    withReader(b.store, async (newer) => compare(await sideOf(older, a), await sideOf(newer, b), isJson)),
  );
}

async function compare(left: OpenSide, right: OpenSide, isJson: boolean): Promise<void> {
  const shortcut = left.view && right.view && anyShortcut(snapshotShortcut(left.view, right.view));
  for await (const difference of diffTrees(left.side, right.side, shortcut)) {
    if (isJson) printJsonLine(forMachines(difference));
    else print(forPeople(difference));
    if (process.stdout.writableNeedDrain) await drained();
  }
}

/** A tree to compare; of a snapshot also its view. */
interface OpenSide {
  readonly side: TreeSide;
  readonly view?: TreeView;
}

async function sideOf(datastore: ReadableDatastore, { tree }: ChosenTree): Promise<OpenSide> {
  const { catalog } = datastore;
  if (tree.which !== 'current') {
    const view = await openSnapshotView(datastore, requireSnapshot(catalog, tree));
    return { side: anySide(snapshotSide(view)), view };
  }
  // The live tree is compared as it is at one moment.
  catalog.picture.begin();
  return { side: anySide(liveSide(catalog, requireGroup(catalog, tree.group).currentIno)) };
}

/** A side is only ever given its own nodes. */
function anySide<N extends SideNode>(side: TreeSide<N>): TreeSide {
  return side as unknown as TreeSide;
}

function anyShortcut<A extends SideNode, B extends SideNode>(
  shortcut: Shortcut<A, B> | undefined,
): Shortcut<SideNode, SideNode> | undefined {
  return shortcut as unknown as Shortcut<SideNode, SideNode> | undefined;
}

function forPeople({ change, path, parts }: TreeDifference): string {
  const shown = path.length === 0 ? '.' : Buffer.from(path).toString();
  return `${SIGN[change]} ${shown}${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`;
}

/** Where a path is no text its bytes are told, too. */
function forMachines({ path, ...rest }: TreeDifference): object {
  const text = Buffer.from(path).toString();
  const isText = Buffer.from(text).equals(path);
  return { ...rest, path: text, ...(isText ? {} : { pathHex: Buffer.from(path).toString('hex') }) };
}

function drained(): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.once('drain', () => resolve());
  });
}
