import { setImmediate } from 'node:timers/promises';
import type { WriteBody } from '../../src/content/transfer.js';
import type { Caller, HandleId, Vfs } from '../../src/vfs/api.js';

/** What must stay as it is: these answer nothing. */
const IMMEDIATE = new Set(['forget', 'reference']);

/** The same vfs, all of whose answers come a turn of the event loop later. */
export function delayedVfs(vfs: Vfs): Vfs {
  const files = delayed(vfs.files);
  return {
    root: vfs.root,
    names: delayed(vfs.names),
    attributes: delayed(vfs.attributes),
    folders: { ...delayed(vfs.folders), release: (handle: HandleId) => vfs.folders.release(handle) },
    xattrs: delayed(vfs.xattrs),
    files: {
      ...files,
      async write(caller: Caller, handle: HandleId, offset: number, body: WriteBody, killPrivileges: boolean) {
        body.keep();
        await setImmediate();
        await vfs.files.write(caller, handle, offset, body, killPrivileges);
      },
    },
    figures: () => setImmediate().then(() => vfs.figures()),
  };
}

type Family = Record<string, (...args: never[]) => unknown>;

function delayed<T extends object>(family: T): T {
  const wrapped: Family = {};
  for (let level: object = family; level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const name of Object.getOwnPropertyNames(level)) {
      const member: unknown = Reflect.get(family, name);
      if (name === 'constructor' || typeof member !== 'function' || name in wrapped) continue;
      wrapped[name] = IMMEDIATE.has(name)
        ? (...args) => Reflect.apply(member, family, args)
        : (...args) => setImmediate().then(() => Reflect.apply(member, family, args));
    }
  }
  return wrapped as T;
}
