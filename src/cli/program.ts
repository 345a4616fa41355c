import { Command } from 'commander';
import { programVersion } from '../daemon/version.js';

/** What adds a command to its parent; who parents more gives its own command back. */
type AddCommand = (parent: Command) => unknown;

/**
 * Commands by their first word. Each is loaded only where it is meant: loading all takes longer than most of them work.
 * In the order of the help.
 */
const COMMANDS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  init: async () => (await import('./init.js')).addInit,
  attach: async () => (await import('./attach.js')).addAttach,
  mount: async () => (await import('./mount.js')).addMount,
  umount: async () => (await import('./umount.js')).addUmount,
  sync: async () => (await import('./sync.js')).addSync,
  refresh: async () => (await import('./refresh.js')).addRefresh,
  backup: async () => (await import('./backup.js')).addBackup,
  copy: async () => (await import('./copy.js')).addCopy,
  restore: async () => (await import('./snapshot-restore.js')).addSnapshotRestore,
  status: async () => (await import('./status.js')).addStatus,
  metrics: async () => (await import('./metrics.js')).addMetrics,
  doctor: async () => (await import('./doctor.js')).addDoctor,
  verify: async () => (await import('./verify.js')).addVerify,
  check: async () => (await import('./check.js')).addCheck,
  repair: async () => (await import('./repair.js')).addRepair,
  backend: async () => (await import('./backend.js')).addBackend,
  redundancy: async () => (await import('./redundancy.js')).addRedundancy,
  gc: async () => (await import('./gc-commands.js')).addGcCommands,
  df: async () => (await import('./df.js')).addDf,
  chunk: async () => (await import('./chunk.js')).addChunk,
  index: async () => (await import('./index-stats.js')).addIndex,
  prune: async () => (await import('./prune.js')).addPrune,
  policy: async () => (await import('./policy.js')).addPolicy,
  clone: async () => (await import('./snapshot-clone.js')).addSnapshotClone,
  schedule: async () => (await import('./schedule.js')).addSchedule,
  snapshot: async () => (await import('./snapshot-commands.js')).addSnapshotCommands,
};

/** The command line `cairn`. Commands throw; whoever parses with it turns that into a line and an exit code. */
export async function createProgram(args: readonly string[] = []): Promise<Command> {
  const program = new Command('cairn')
    .description('A deduplicating backup filesystem: mount it, rsync into it, take snapshots, browse them')
    .version(programVersion())
    .option(
      '--store <path>',
      'the datastore: its folder or a mountpoint (default: $CAIRN_STORE, or the only one mounted)',
    )
    .option('--debug', 'log more, and show where an error came from')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'cairn: ')) })
    .exitOverride()
    .addHelpText(
      'after',
      `
Groups, snapshots and what is in them are given by name, such as host/web1 or host/web1/latest:etc, or by a path inside a
mount, also a relative one. What has the form of a name is a name: write ./host/web1 for a path that looks like one.

Examples:
  $ cairn init /srv/backup
  $ cairn mount --daemon /srv/backup /mnt/backup
  $ rsync -aHAX /home/ /mnt/backup/host/web1/current/
  $ cairn snapshot create host/web1
  $ cairn backup /etc host/web1-etc`,
    );
  const meant = firstOperand(args);
  const loads = meant !== undefined && Object.hasOwn(COMMANDS, meant) ? [COMMANDS[meant]] : Object.values(COMMANDS);
  for (const add of await Promise.all(loads.map((load) => load?.()))) add?.(program);
  return program;
}

/**
 * What is parsed: `help snapshot create` as `snapshot create --help`, for commander looks at one word behind `help` only.
 * @param args without Node and the program
 */
export function parsedArguments(args: readonly string[]): string[] {
  const [first, command, ...rest] = args;
  return first === 'help' && command !== undefined && rest.length > 0 ? [command, ...rest, '--help'] : [...args];
}

/** The command's name: the first word that is neither an option of the program nor the value of one. */
function firstOperand(args: readonly string[]): string | undefined {
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === '--store') at += 1;
    else if (!args[at]?.startsWith('-')) return args[at];
  }
  return undefined;
}
