import { accessSync, constants, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { loadFuseNative } from '../fuse/fuse-native/package.js';
import type { TransportName } from './worker-protocol.js';

/** Something a mount needs of the machine. */
export interface MachineCheck {
  readonly name: string;
  /** What was found; where it is not as it should be, also what to do. */
  readonly finding: string;
  readonly ok: boolean;
}

/** Whether a datastore can be mounted through a transport, as far as that shows without mounting. */
export interface TransportCheck {
  readonly name: TransportName;
  readonly available: boolean;
  /** Why not; empty where it is available. */
  readonly reasons: readonly string[];
}

/** The machine as it matters to mounts. */
export interface Machine {
  /** As uname(2) tells it, such as `6.1.0-18-amd64`. */
  readonly kernelRelease: string;
  /** Whether we have CAP_SYS_ADMIN, as root outside containers has. */
  readonly maySetUpMounts: boolean;
  /** Why this user cannot open the file for reading and writing, or undefined. */
  whyNotOpen(path: string): string | undefined;
  hasProgram(name: string): boolean;
  /** Why the package fuse-native is not usable, or undefined. */
  whyNoFuseNative(): string | undefined;
}

const DEVICE = '/dev/fuse';
/** Linux 4.18 speaks FUSE 7.27, the oldest that the native transport takes. */
const OLDEST_KERNEL = [4, 18] as const;
/** Bit of CAP_SYS_ADMIN, capabilities(7). */
const CAP_SYS_ADMIN = 21n;

/** What mounts need, each looked at. */
export function checkMachine(machine: Machine): MachineCheck[] {
  return [checkKernel(machine), checkDevice(machine), checkHelper(machine, 'fusermount3'), checkPackage(machine)];
}

/** All transports, the default first. */
export function checkTransports(machine: Machine): TransportCheck[] {
  const verdict = (name: TransportName, checks: readonly MachineCheck[]): TransportCheck => {
    const reasons = checks.filter(({ ok }) => !ok).map(({ finding }) => finding);
    return { name, available: reasons.length === 0, reasons };
  };
  const device = checkDevice(machine);
  return [
    verdict('native', [checkKernel(machine), device, checkHelper(machine, 'fusermount3')]),
    verdict('fuse-native', [device, checkHelper(machine, 'fusermount'), checkPackage(machine)]),
  ];
}

function checkKernel({ kernelRelease }: Machine): MachineCheck {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  const ok = major > OLDEST_KERNEL[0] || (major === OLDEST_KERNEL[0] && minor >= OLDEST_KERNEL[1]);
  return { name: 'kernel', ok, finding: ok ? kernelRelease : `Linux ${kernelRelease} is older than 4.18` };
}

function checkDevice(machine: Machine): MachineCheck {
  const why = machine.whyNotOpen(DEVICE);
  if (why === undefined) return { name: DEVICE, ok: true, finding: 'can be opened' };
  const advice = 'run "modprobe fuse"; a container needs --device /dev/fuse and --cap-add SYS_ADMIN';
  return { name: DEVICE, ok: false, finding: `${DEVICE} cannot be opened (${why}): ${advice}` };
}

/** Who may not set up mounts has a program do it. */
function checkHelper(machine: Machine, program: string): MachineCheck {
  const name = 'right to mount';
  if (machine.maySetUpMounts) return { name, ok: true, finding: 'as an administrator' };
  if (machine.hasProgram(program)) return { name, ok: true, finding: `by ${program}` };
  return { name, ok: false, finding: `${program} is missing, and this user may not mount: install the package fuse3` };
}

function checkPackage(machine: Machine): MachineCheck {
  const why = machine.whyNoFuseNative();
  return { name: 'fuse-native', ok: why === undefined, finding: why ?? 'installed and patched' };
}

/** The machine we run on. */
export function thisMachine(): Machine {
  return {
    kernelRelease: release(),
    maySetUpMounts: hasCapability(CAP_SYS_ADMIN),
    whyNotOpen: (path) => whyNot(path, constants.R_OK | constants.W_OK),
    hasProgram: (name) =>
      (process.env.PATH ?? '').split(':').some((folder) => whyNot(join(folder, name), constants.X_OK) === undefined),
    whyNoFuseNative() {
      try {
        loadFuseNative();
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
  };
}

function hasCapability(bit: bigint): boolean {
  const effective = readFileSync('/proc/self/status', 'latin1').match(/^CapEff:\s*([0-9a-f]+)$/m)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> bit) & 1n) === 1n;
}

function whyNot(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
