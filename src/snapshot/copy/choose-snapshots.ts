import { CairnError } from '../../core/errors.js';
import { groupPath, parseGroupPath } from '../../core/group.js';
import { parseTreeName, type TreeName } from '../../core/tree-name.js';
import type { SourceSnapshot } from './copy-source.js';

/**
 * The snapshots that names mean: those of a group, one by its time, or a group's newest; each once, in the order given.
 * @param names `all`: every one
 * @throws {CairnError} `invalid` for a name that is none, `not-found` where nothing has it
 */
export function chooseSnapshots(all: readonly SourceSnapshot[], names: 'all' | readonly string[]): SourceSnapshot[] {
  if (names === 'all') return [...all];
  const chosen = new Set(names.flatMap((name) => meantBy(all, name)));
  return all.filter((snapshot) => chosen.has(snapshot));
}

function meantBy(all: readonly SourceSnapshot[], name: string): SourceSnapshot[] {
  const { group, which } = parseCopyName(name);
  const path = groupPath(group);
  const ofGroup = all.filter((snapshot) => groupPath(snapshot.group) === path);
  const meant =
    which === 'latest' ? ofGroup.slice(-1) : ofGroup.filter(({ time }) => which === 'all' || time === which);
  if (meant.length > 0) return meant;
  throw new CairnError('not-found', `There is no finished snapshot ${name} to copy`);
}

/** What a name means: a group, or which of its snapshots. @throws {CairnError} `invalid` for a name that is none */
export function parseCopyName(name: string): { group: TreeName['group']; which: number | 'latest' | 'all' } {
  const parts = name.split('/').filter((part) => part !== '');
  let at = 0;
  while (parts[at] === 'ns') at += 2;
  // Of namespace, type and id; what comes behind them is a snapshot.
  if (parts.length <= at + 2) return { group: parseGroupPath(name), which: 'all' };
  const { group, which } = parseTreeName(name);
  if (which !== 'current') return { group, which };
  throw new CairnError('invalid', `${name} is a live tree: make a snapshot of it first (cairn snapshot create)`);
}
