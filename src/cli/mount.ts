import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CairnError } from '../core/errors.js';
import { groupPath, parseGroupPath } from '../core/group.js';
import { startInBackground } from '../daemon/background.js';
import { createLogger } from '../daemon/logger.js';
import { type DaemonOptions, runDaemon } from '../daemon/main.js';
import { type ListenAddress, parseListenAddress } from '../daemon/metrics/listen-address.js';
import { TRANSPORTS, type TransportName } from '../daemon/worker-protocol.js';
import { existingStore, optionsOf } from './context.js';
import { interruptible } from './interruption.js';
import { print } from './output.js';

interface MountOptions {
  readonly daemon?: boolean;
  readonly onFailure?: string;
  readonly readOnly?: boolean;
  readonly group?: string;
  readonly metrics?: ListenAddress;
  readonly lowLatency?: boolean;
  readonly transport: TransportName;
}

/** `cairn mount STORE MOUNTPOINT` */
export function addMount(program: Command): void {
  program
    .command('mount')
    .description('mount a datastore as a drive; runs until it is unmounted')
    .argument('<store>', 'the datastore: its folder')
    .argument('<mountpoint>', 'the folder it is to appear in')
    .option('--daemon', 'run in the background, once the mount is up')
    .option(
      '--on-failure <command>',
      'run by a shell when a scheduled job fails, with JSON on its standard input; in place of "cairn schedule on-failure"',
    )
    .option('--read-only', 'let nothing be changed')
    .option('--group <group>', 'mount one group, such as host/web1, as a plain drive')
    .option(
      '--metrics <address>',
      'show figures and a status page over HTTP at [HOST:]PORT; HOST is 127.0.0.1 by default',
      parseListenAddress,
    )
    .option('--low-latency', 'have the CPUs of a virtual machine poll before they halt, until it is unmounted (root)')
    .addOption(
      new Option('--transport <name>', 'how to attach to the kernel').choices(TRANSPORTS).default(TRANSPORTS[0]),
    )
    .addHelpText(
      'after',
      `
What --metrics shows anybody can see who can connect: figures, paths of damaged files, and nothing can be changed there.
--low-latency makes small files faster on virtual machines, at the cost of CPU time while it waits, for all programs: it
sets /sys/module/haltpoll/parameters/guest_halt_poll_ns. The last such mount puts back what was found; after a crash the next
mount or "cairn umount" does. "cairn status" says where it would help.
Ctrl-C, SIGTERM, "cairn umount" and umount(8) end it; all that was written is safe then.

Examples:
  $ cairn mount /srv/backup /mnt/backup
  $ cairn mount --daemon /srv/backup /mnt/backup
  $ cairn mount --daemon --low-latency /srv/backup /mnt/backup
  $ cairn mount --daemon --metrics 9210 /srv/backup /mnt/backup
  $ cairn mount --daemon --group host/web1 /srv/backup /mnt/web1
  $ cairn mount --transport fuse-native /srv/backup /mnt/backup     where "cairn doctor" says native is not to be had`,
    )
    .action(run);
}

async function run(given: string, mountpoint: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<MountOptions>(command);
  if (options.store !== undefined) {
    throw new CairnError('invalid', 'mount takes the datastore as its first argument, not by --store');
  }
  if (mountpoint === '') throw new CairnError('invalid', 'The mountpoint is empty');
  const daemon: DaemonOptions = {
    store: await existingStore(given),
    mountpoint: resolve(mountpoint),
    readOnly: options.readOnly === true,
    group: options.group === undefined ? null : groupPath(parseGroupPath(options.group)),
    transport: options.transport,
    ...(options.metrics && { metrics: options.metrics }),
    lowLatency: options.lowLatency === true,
    ...(options.onFailure !== undefined && { onFailure: options.onFailure }),
    logLevel: options.debug ? 'debug' : 'info',
  };
  await (options.daemon ? mountInBackground(daemon) : mountHere(daemon));
}

async function mountHere(options: DaemonOptions): Promise<void> {
  await runDaemon(options, { log: createLogger(options.logLevel) });
}

async function mountInBackground(options: DaemonOptions): Promise<void> {
  const daemon = await interruptible((signal) => startInBackground(options, signal));
  print(`Mounted ${options.store} on ${daemon.mountpoint} (process ${daemon.pid}, log ${daemon.logFile})`);
}
