import type { Command } from 'commander';
import { CairnError } from '../core/errors.js';
import { groupPath, parseGroupPath } from '../core/group.js';
import { formatTreeName, type TreeName } from '../core/tree-name.js';
import { confirm } from './confirm.js';
import { announcementOf, optionsOf, surroundings } from './context.js';
import { print, printJson } from './output.js';
import { askSnapshots } from './snapshot-asking.js';
import { chooseGroup } from './store-choice.js';
import { type ChosenTree, chooseTree } from './tree-choice.js';

interface CloneOptions {
  readonly store?: string;
  readonly replace?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `cairn snapshot clone SOURCE GROUP`, and the same as `cairn clone` */
export function addSnapshotClone(parent: Command): void {
  const called = parent.parent === null ? 'clone' : 'snapshot clone';
  parent
    .command('clone')
    .description('make a live tree of a snapshot, or of another live tree, without copying data')
    .argument('<source>', 'a snapshot such as host/web1/latest, a group, or their paths inside a mount')
    .argument('<group>', 'the group that is to have the live tree, such as host/web2; made where there is none')
    .option('--replace', 'put the clone in the place of a live tree that is not empty')
    .option('--yes', 'do not ask before a live tree is replaced')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The live tree appears at once when all of it is there.

Examples:
  $ cairn ${called} host/web1/2026-11-20T10:00:00Z host/web2
  $ cairn ${called} host/web1 host/copy
  $ cairn ${called} --replace --yes host/web1/latest host/web1`,
    )
    .action(run);
}

async function run(from: string, to: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<CloneOptions>(command);
  const source = await chooseSource(from, options.store);
  const target = parseGroupPath(to);
  await clone(source, { group: target, which: 'current' }, '', options, '--replace');
}

/** A group stands for its live tree. */
async function chooseSource(text: string, store: string | undefined): Promise<ChosenTree> {
  try {
    return await chooseTree(text, store);
  } catch (error) {
    const mountedGroup = (path: string): string | null => announcementOf(path)?.group ?? null;
    const choice = await chooseGroup(text, store, surroundings, mountedGroup).catch(() => undefined);
    if (choice === undefined) throw error;
    return { store: choice.store, tree: { group: choice.group, which: 'current' }, path: '' };
  }
}

/** Clones into a live tree: all of it, or a path in it. @param how the option that replaces what is there */
export async function clone(
  source: ChosenTree,
  target: TreeName,
  targetPath: string,
  options: Pick<CloneOptions, 'replace' | 'yes' | 'json'>,
  how: string,
): Promise<void> {
  const shown = `${formatTreeName(target)}${targetPath === '' ? '' : `:${targetPath}`}`;
  if (options.replace && options.yes !== true) await confirm(`Replace ${shown} with all that is in it?`);
  const cloned = await askSnapshots(source.store, 'tree-clone', {
    ...{ source: formatTreeName(source.tree), path: source.path, group: groupPath(target.group), targetPath },
    replace: options.replace === true,
  }).catch((error: unknown) => {
    if (!(error instanceof CairnError) || error.kind !== 'not-empty') throw error;
    throw new CairnError('not-empty', `${error.message}: ${how} puts the clone in its place`, { cause: error });
  });
  if (options.json) printJson(cloned);
  else print(`Made ${shown} of ${formatTreeName(source.tree)} (${cloned.entries} entries)`);
}
