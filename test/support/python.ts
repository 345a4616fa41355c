import { outputOf } from './commands.js';

/** Runs the program of `python` and turns an OSError into a line that says its name. */
const FRAME = `
import ctypes, errno, fcntl, mmap, os, socket, stat, sys, threading
code, args = sys.argv[1], sys.argv[2:]
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *a):
    got = getattr(libc, name)(*a)
    if got < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return got
try:
    exec(code)
except OSError as e:
    if e.errno is None: raise
    print('OSError', errno.errorcode[e.errno])
`;

/** An error number a system call in a Python program ended with; `code` as Node's errors have it. */
class PythonSystemError extends Error {
  constructor(readonly code: string) {
    super(`${code} in a Python program`);
  }
}

/**
 * Runs a Python program that finds its arguments in `args`, for system calls Node does not offer. The usual modules
 * are imported; `call('renameat2', …)` calls a function of libc.
 * @returns what it printed, without the last line end
 * @throws an error whose `code` is the errno's name, where a system call failed
 */
export function python(program: string, ...args: readonly (string | number | bigint)[]): string {
  const printed = outputOf('python3', ['-c', FRAME, program, ...args.map(String)]).replace(/\n$/, '');
  const failed = printed.match(/^OSError (\w+)$/m);
  if (failed?.[1] !== undefined) throw new PythonSystemError(failed[1]);
  return printed;
}
