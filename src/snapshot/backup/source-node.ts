import { packDevice } from '../../archive/device.js';
import type { Xattr } from '../../archive/xattrs.js';
import type { SourceEntry, SourceStatus } from '../../native/source.js';
import type { FileContent, TreeNode } from '../create/tree-source.js';

/** Something in the source. A file's status is renewed until its content is read. */
export class SourceNode implements TreeNode {
  readonly ino: number;
  readonly target: Uint8Array | null;
  readonly xattrs: readonly Xattr[];
  nlink: number;
  size: number;
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  btimeSec: number;
  btimeNsec: number;
  /** Such a file is read again the next time, since its times do not prove that it is the same. */
  ctimeUnknown = false;
  btimeUnknown: boolean;
  /** Where a file's bytes are, once somebody finds out; undefined where it is to be left out. */
  content: FileContent | undefined | Promise<FileContent | undefined>;

  constructor(ino: number, { target, xattrs }: SourceEntry, status: SourceStatus) {
    this.ino = ino;
    this.target = target ?? null;
    this.xattrs = xattrs;
    this.nlink = status.nlink;
    this.mode = status.mode;
    this.uid = status.uid;
    this.gid = status.gid;
    this.size = status.size;
    this.rdev = packDevice({ major: status.major, minor: status.minor }) ?? 0;
    this.mtimeSec = status.mtimeSec;
    this.mtimeNsec = status.mtimeNsec;
    this.ctimeSec = status.ctimeSec;
    this.ctimeNsec = status.ctimeNsec;
    this.btimeSec = status.btimeSec;
    this.btimeNsec = status.btimeNsec;
    this.btimeUnknown = status.btimeSec === 0 && status.btimeNsec === 0;
  }

  /** Takes what the file had when its bytes were read. @param size bytes read @param proves whether its times tell changes */
  wasRead(status: SourceStatus, size: number, proves: boolean): void {
    this.size = size;
    this.mode = status.mode;
    this.uid = status.uid;
    this.gid = status.gid;
    this.mtimeSec = status.mtimeSec;
    this.mtimeNsec = status.mtimeNsec;
    this.ctimeSec = status.ctimeSec;
    this.ctimeNsec = status.ctimeNsec;
    this.ctimeUnknown = !proves;
  }
}
