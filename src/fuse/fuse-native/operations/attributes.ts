import type { AttributeChanges, Attributes } from '../../../vfs/api.js';
import type { Done, FuseNativeOperations } from '../package.js';
import type { PathCaller } from '../requests.js';
import { figuresArray, statArray } from '../stat-arrays.js';
import type { MountParts } from './mount-parts.js';

type AttributeOperations = Pick<
  FuseNativeOperations,
  'getattr' | 'fgetattr' | 'readlink' | 'chmod' | 'chown' | 'truncate' | 'ftruncate' | 'utimens' | 'statfs'
>;

/** How libfuse says "leave it" in chown. */
const UNCHANGED = 0xffff_ffff;
/** utimensat(2). */
const UTIME_NOW = 0x3fff_ffff;
const UTIME_OMIT = 0x3fff_fffe;

export function attributeOperations({ vfs, nodes, handles, requests }: MountParts): AttributeOperations {
  const change = (path: string, done: Done, changes: AttributeChanges) =>
    requests.answer('SETATTR', done, (caller) =>
      nodes.at(path, ({ node }) => vfs.attributes.set(caller, node, undefined, changes)),
    );
  return {
    getattr(path, done) {
      requests.answer('GETATTR', done, () => nodes.at(path, statArray));
    },
    fgetattr(_path, handle, done) {
      requests.answer('GETATTR', done, async () => statArray(await vfs.attributes.get(handles.get(handle).node)));
    },
    readlink(path, done) {
      const target = ({ node }: Attributes) => vfs.attributes.readLink(node);
      requests.answer('READLINK', done, async () => Buffer.from(await nodes.at(path, target)).toString('latin1'));
    },
    chmod(path, mode, done) {
      change(path, done, { mode });
    },
    chown(path, uid, gid, done) {
      change(path, done, { ...(uid !== UNCHANGED && { uid }), ...(gid !== UNCHANGED && { gid }) });
    },
    truncate(path, size, done) {
      change(path, done, { size });
    },
    ftruncate(_path, handle, size, done) {
      const truncate = (caller: PathCaller) => {
        const open = handles.get(handle);
        return vfs.attributes.set(caller, open.node, open.handle, { size });
      };
      requests.answer('SETATTR', done, truncate);
    },
    utimens(path, atimeSec, atimeNsec, mtimeSec, mtimeNsec, done) {
      change(path, done, { ...timeOf('atime', atimeSec, atimeNsec), ...timeOf('mtime', mtimeSec, mtimeNsec) });
    },
    statfs(_path, done) {
      requests.answer('STATFS', done, async () => figuresArray(await vfs.figures()));
    },
  };
}

function timeOf(field: 'atime' | 'mtime', sec: number, nsec: number): AttributeChanges {
  if (nsec === UTIME_OMIT) return {};
  return { [field]: nsec === UTIME_NOW ? 'now' : { sec, nsec } };
}
