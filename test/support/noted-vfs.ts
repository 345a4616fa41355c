import { CairnError } from '../../src/core/errors.js';
import { OPCODE } from '../../src/fuse/wire/opcodes.js';
import type { Attributes, OpenResult, Vfs } from '../../src/vfs/api.js';
import { FakeKernel, fields, u32, u64 } from './fuse-requests.js';

/** Those of node 9. */
export const ATTRIBUTES: Attributes = {
  ...{ node: { archive: 0, position: 9 }, mode: 0o100644, nlink: 1, uid: 0, gid: 0, rdev: 0, size: 0, blocks: 0 },
  ...{ atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0 },
};
/** What opening a file gives where a test says nothing else. */
export const OPENED: OpenResult = { handle: 5, directIo: false, keepCache: true, noFlush: true };

export interface Calls {
  readonly kernel: FakeKernel;
  /** What was called, in order: `names.forget 9 1`. */
  readonly calls: string[];
}

type Overrides = { readonly [Family in keyof Vfs]?: Partial<Vfs[Family]> };

/** A kernel before a vfs that notes what is called and fails with `unsupported`, but for what `overrides` gives. */
export function kernelOn(overrides: Overrides): Calls {
  const calls: string[] = [];
  const family = (name: keyof Vfs) =>
    new Proxy(overrides[name] ?? {}, {
      get:
        (target, member) =>
        (...args: unknown[]) => {
          calls.push(`${name}.${String(member)} ${args.map(show).join(' ')}`);
          const given: unknown = Reflect.get(target, member);
          if (typeof given === 'function') return Reflect.apply(given, target, args);
          if (member === 'forget' || member === 'reference' || member === 'release') return undefined;
          throw new CairnError('unsupported', 'Not in this test');
        },
    });
  const names = ['names', 'attributes', 'files', 'folders', 'xattrs'] as const;
  const families = Object.fromEntries(names.map((name) => [name, family(name)]));
  const vfs = {
    root: { archive: 0, position: 1 },
    figures: overrides.figures ?? (() => Promise.reject(new Error('no figures'))),
    ...families,
  } as unknown as Vfs;
  return { kernel: new FakeKernel(vfs), calls };
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (typeof value !== 'object' || value === null) return String(value);
  if ('position' in value) return String(value.position);
  if ('pid' in value && 'uid' in value) return `pid${value.pid}`;
  if ('keep' in value) return 'body';
  return JSON.stringify(value);
}

/** A READ of handle 5. */
export const read = (offset: number | bigint, size: number) => ({
  opcode: OPCODE.READ,
  body: fields(u64(5), u64(offset), u32(size), u32(0), u64(0), u32(0), u32(0)),
});
