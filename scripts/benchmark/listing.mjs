// Workloads on a mount: listing 100,000 entries.
import { run } from './processes.mjs';

const STAT_FIELDS = '%P %y %m %U %G %n %s %b %i %A@ %T@ %C@ %l\\n';

/** find and ls over a state that is kept, each with nothing cached and again. */
export async function listing(context, system) {
  const kept = await system.prefill('many', context.trees.folder('many'));
  // With a slash: the folder may be the link `latest`.
  const find = () => run('find', [`${kept}/`, '-printf', STAT_FIELDS]);
  const list = () => run('ls', ['-lR', `${kept}/`]);
  const mounting = await system.cold();
  if (mounting !== undefined) context.add('mount', mounting);
  await context.time('find, first', find);
  await context.time('find, second', find);
  await system.cold();
  await context.time('ls, first', list);
  await context.time('ls, second', list);
}
