import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { python } from '../support/python.js';
import type { Family } from './family.js';

/** Files belong to user 1001 and group 2001; `groups` are the supplementary ones. */
const CALLERS = [
  { uid: 1001, gid: 2001, groups: '2001' },
  { uid: 1001, gid: 3001, groups: '3001,2001' },
  { uid: 1001, gid: 3001, groups: '3001' },
  { uid: 1002, gid: 2001, groups: '' },
  { uid: 1002, gid: 3001, groups: '2001,3002' },
  { uid: 1002, gid: 3001, groups: '3001,3002' },
  { uid: 0, gid: 0, groups: '0' },
];
type CallerIds = (typeof CALLERS)[number];

const MODES = [0o6777, 0o2666, 0o4666, 0o6767, 0o2777];

/** For each caller prints a line of the modes, octal, that new files of each mode have after the caller did something to them. */
const PROGRAM = `
import json
action, callers, modes = args[1], json.loads(args[2]), args[3:]
path = args[0] + '/file'
with open(path + '.source', 'wb') as f: f.write(b'b' * 200000)
os.chmod(path + '.source', 0o666)
def after(mode, uid, gid, groups):
    with open(path, 'wb') as f: f.write(b'a' * 100)
    os.chown(path, 1001, 2001); os.chmod(path, mode)
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([int(g) for g in groups.split(',') if g]); os.setresgid(gid, gid, gid); os.setresuid(uid, uid, uid)
            exec(action, globals(), locals())
        except OSError as e: os._exit(e.errno)
        os._exit(0)
    failed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = errno.errorcode[failed] if failed else oct(os.stat(path).st_mode & 0o7777)[2:]
    os.unlink(path)
    return left
for c in callers: print(*[after(int(mode), c['uid'], c['gid'], c['groups']) for mode in modes])`;

function modesAfter(folder: string, action: string, callers: readonly CallerIds[]): string[][] {
  const printed = python(PROGRAM, folder, action, JSON.stringify(callers), ...MODES);
  return printed.split('\n').map((line) => line.split(' '));
}

const isMember = ({ gid, groups }: CallerIds): boolean => gid === 2001 || groups.includes('2001');

/** Without setuid, and without setgid where the group may execute or the caller is none of it. */
function taken(mode: number, { uid, ...caller }: CallerIds): number {
  const keepsSetgid = (mode & 0o010) === 0 && (uid === 0 || isMember({ uid, ...caller }));
  return mode & (keepsSetgid ? 0o3777 : 0o1777);
}

const octal = (modes: readonly number[]): string[] => modes.map((mode) => mode.toString(8));

const CHANGES = {
  write: "os.pwrite(os.open(path, os.O_WRONLY), b'x', 0)",
  truncate: 'os.truncate(path, 1)',
  ftruncate: 'os.ftruncate(os.open(path, os.O_WRONLY), 1)',
  'open with O_TRUNC': 'os.open(path, os.O_WRONLY | os.O_TRUNC)',
  fallocate: "call('fallocate', os.open(path, os.O_WRONLY), 0, ctypes.c_long(0), ctypes.c_long(5000))",
  copy_file_range:
    "os.copy_file_range(os.open(path + '.source', os.O_RDONLY), os.open(path, os.O_WRONLY), 300000, 0, 0)",
};

export const setId: Family = {
  name: 'set-id bits',
  cases: {},
  rootCases: {
    'a change of content takes them, setgid without group execute from strangers to the group alone': (folder) => {
      chmodSync(folder, 0o755);
      const wanted = CALLERS.map((caller) =>
        octal(MODES.map((mode) => (caller.uid === 0 ? mode : taken(mode, caller)))),
      );
      for (const [name, action] of Object.entries(CHANGES)) {
        assert.deepEqual(modesAfter(folder, action, CALLERS), wanted, name);
      }
    },

    'chown takes them from all, root as well': (folder) => {
      chmodSync(folder, 0o755);
      const callers = CALLERS.filter(({ uid }) => uid !== 1002);
      const wanted = callers.map((caller) => octal(MODES.map((mode) => taken(mode, caller))));
      for (const action of ['os.chown(path, 1001, -1)', 'os.chown(path, -1, 2001)', 'os.chown(path, -1, gid)']) {
        assert.deepEqual(modesAfter(folder, action, callers), wanted, action);
      }
    },

    'chmod keeps setgid for members of the group, and setuid for the owner': (folder) => {
      chmodSync(folder, 0o755);
      const wanted = CALLERS.map((caller) => {
        const mode = caller.uid === 0 || isMember(caller) ? '6777' : '4777';
        return MODES.map(() => (caller.uid === 1002 ? 'EPERM' : mode));
      });
      assert.deepEqual(modesAfter(folder, 'os.chmod(path, 0o6777)', CALLERS), wanted);
    },
  },
};
