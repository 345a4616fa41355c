// Running commands and reading what the kernel says of them.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** USER_HZ: the unit of times in /proc/PID/stat. */
const TICKS_PER_SECOND = 100;

/** Runs a command to its end; what it prints on stderr is shown. @returns its standard output */
export function run(command, args, options = {}) {
  const printed = execFileSync(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
    ...options,
  });
  return printed === null ? '' : printed.toString();
}

/** Whether a program can be run at all. */
export function isInstalled(program) {
  try {
    execFileSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs `work` and resolves to the seconds it took. */
export async function timed(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Runs a command by time(1): seconds, seconds of CPU, and peak memory of it and the processes it waited for, in bytes. */
export function measured(command, args, options = {}) {
  const file = join(tmpdir(), `cairn-bench-time-${process.pid}`);
  try {
    const start = performance.now();
    run('/usr/bin/time', ['-o', file, '-f', '%U %S %M', command, ...args], options);
    const seconds = (performance.now() - start) / 1000;
    const [user, system, kibibytes] = readFileSync(file, 'utf8').trim().split('\n').at(-1).split(' ').map(Number);
    return { seconds, cpuSeconds: user + system, peakBytes: kibibytes * 1024 };
  } finally {
    rmSync(file, { force: true });
  }
}

/** Writes dirty pages out and forgets all that is cached, of the file systems and of the disk below. */
export function dropCaches() {
  run('sync', []);
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

/** Type of what is mounted on a folder, undefined where nothing is. */
export function typeMountedOn(point) {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const fields = lines.map((line) => line.split(' ')).findLast((found) => found[4] === point);
  return fields?.[fields.indexOf('-') + 1];
}

/** Unmounts at last, whatever uses it. */
export function umountIfMounted(point) {
  if (typeMountedOn(point) !== undefined) run('umount', ['--lazy', point]);
}

/** Unmounts all that is mounted below a folder, the innermost first. */
export function umountBelow(folder) {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const points = lines.map((line) => line.split(' ')[4]).filter((point) => point?.startsWith(`${folder}/`));
  for (const point of points.reverse()) run('umount', ['--lazy', point]);
}

/** A field of /proc/PID/status that is in kB, in bytes: `VmRSS`, `VmHWM`. */
export function memoryBytes(pid, field) {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm');
  return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(line)[1]) * 1024;
}

/** Makes `VmHWM` begin anew from what a process uses now. */
export function resetPeakMemory(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Seconds of CPU a process has used, and the children it waited for. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime, stime, cutime, cstime: fields 14 to 17 of proc(5), of which ours begin with the third.
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

/** Seconds `work` takes, and seconds of CPU the whole machine is busy meanwhile. */
export async function timedWithMachine(work) {
  const before = busySeconds();
  const seconds = await timed(work);
  return { seconds, busy: busySeconds() - before };
}

/** Seconds of CPU all of the machine has been busy for: proc(5), first line of /proc/stat. */
function busySeconds() {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split(/\s+/, 8).map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

/** Bytes files below a folder take on disk. */
export function diskBytes(folder) {
  return Number(run('du', ['-s', '--block-size=1', folder]).split('\t')[0]);
}

/** Bytes of the files below a folder. */
export function fileBytes(folder) {
  return Number(run('du', ['-sb', folder]).split('\t')[0]);
}
