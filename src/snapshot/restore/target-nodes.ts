import { constants, lchownSync, linkSync, openSync, readlinkSync, rmdirSync, symlinkSync } from 'node:fs';
import type { DeviceNumber } from '../../archive/device.js';
import { makeNode } from '../../native/node-attributes.js';
import type { TargetFolder } from './target-folder.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

/** What becomes of a file until its own attributes are set: nobody else looks in. */
const FIRST_MODE = 0o600;

// What is done to names of a target's folders. All throw CairnErrors that name the path.

/** A descriptor for writing of a new file; what an earlier try left under the name goes. */
export function createFile(folder: TargetFolder, name: Uint8Array): number {
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  return folder.doing('create', name, (path) => {
    try {
      return openSync(path, flags, FIRST_MODE);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      folder.remove(name);
      return openSync(path, flags, FIRST_MODE);
    }
  });
}

/** A descriptor of a regular file that is there, to set its attributes. */
export function openFile(folder: TargetFolder, name: Uint8Array): number {
  return folder.doing('open', name, openOwn);
}

/** An ordinary user may be allowed to do only one of reading and writing, and either will do. */
function openOwn(path: Buffer): number {
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    return openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  }
}

export function readLink(folder: TargetFolder, name: Uint8Array): Buffer {
  return folder.doing('read', name, (path) => readlinkSync(path, 'buffer'));
}

export function makeSymlink(folder: TargetFolder, name: Uint8Array, target: Uint8Array): void {
  folder.doing('create', name, (path) => symlinkSync(Buffer.from(target), path));
}

/** A FIFO, socket or device node; the umask applies. */
export function makeSpecial(folder: TargetFolder, name: Uint8Array, mode: number, device: DeviceNumber): void {
  folder.doing('create', name, (path) => makeNode(path, mode, device.major, device.minor));
}

/** link(2): another name, here, of what `from` has. */
export function linkFrom(folder: TargetFolder, name: Uint8Array, from: TargetFolder, fromName: Uint8Array): void {
  folder.doing('link', name, (path) => linkSync(from.at(fromName), path));
}

export function removeFolder(folder: TargetFolder, name: Uint8Array): void {
  folder.doing('remove', name, (path) => rmdirSync(path));
}

/** lchown(2) */
export function setOwner(folder: TargetFolder, name: Uint8Array, uid: number, gid: number): void {
  folder.doing('change the owner of', name, (path) => lchownSync(path, uid, gid));
}
