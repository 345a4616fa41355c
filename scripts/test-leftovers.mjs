// What a test may not leave behind: processes, mounts, files in the temporary folder.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** The environment variable all processes of a run inherit, so that they are found whatever they are called. */
export const MARK = 'CAIRN_TEST_RUN';

/** How long a process may take to be gone after the test that used it has ended. */
const GRACE_MILLISECONDS = 2000;

/** The mounts of this machine as `{ point, type }`. */
function mountsNow() {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ');
      const point = fields[4].replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
      return { point, type: fields[fields.indexOf('-') + 1] };
    });
}

/** The processes that carry the run's mark, apart from this one. */
function strayProcesses({ mark }) {
  const strays = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${MARK}=${mark}`)) continue;
      strays.push({ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ') });
    } catch {
      // Ended meanwhile, or another user's.
    }
  }
  return strays;
}

/** Mounts in the run's temporary folder; others on this machine are none of ours. */
function strayMounts({ temporary }) {
  return mountsNow().filter(({ point }) => point.startsWith(`${temporary}/`));
}

/** One line for each thing left behind. */
export async function findLeftovers(run) {
  const deadline = performance.now() + GRACE_MILLISECONDS;
  while (strayProcesses(run).length > 0 && performance.now() < deadline) await delay(50);
  return [
    ...strayProcesses(run).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...strayMounts(run).map(({ point, type }) => `mount ${point} (${type})`),
    ...readdirSync(run.temporary).map((name) => `file ${join(run.temporary, name)}`),
  ];
}

/** Ends what `findLeftovers` lists, so that one tier's leak does not fail the next. */
export async function endLeftovers(run) {
  for (const { pid } of strayProcesses(run)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Ended meanwhile.
    }
  }
  for (const { point } of strayMounts(run).reverse()) {
    // An ordinary user can unmount only what fusermount3 has mounted.
    const [command, ...args] = process.getuid() === 0 ? ['umount', '--lazy', point] : ['fusermount3', '-uz', point];
    execFileSync(command, args, { stdio: 'ignore' });
  }
  for (const name of readdirSync(run.temporary)) {
    rmSync(join(run.temporary, name), { recursive: true, force: true });
  }
}
