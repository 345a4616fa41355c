// Workloads on a mount: making files of 4 KiB, looking at them and removing them, by 1, 2 and 4 clients at once.
import { buildNames } from './build.mjs';
import { run } from './processes.mjs';

const FILES_PER_CLIENT = { full: 2000, tiny: 100 };
const CLIENTS = [1, 2, 4];

export async function naming(context, system) {
  const program = buildNames(context.place);
  const folder = system.target('names');
  for (const clients of CLIENTS) {
    const printed = run(program, ['rates', folder, `${FILES_PER_CLIENT[context.size]}`, `${clients}`]);
    for (const [, what, rate] of printed.matchAll(/^(\w+) (\S+)$/gm)) {
      context.add(`${what}, ${clients} ${clients === 1 ? 'client' : 'clients'}`, Number(rate));
    }
  }
}
