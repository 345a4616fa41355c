import { constants } from 'node:os';
import type { Exchange } from './exchange.js';
import { getAttributes, getExtended, readLink, setAttributes } from './handlers/attributes.js';
import { allocate, copyRange, copyRange64, flush, open, release, seek, sync } from './handlers/files.js';
import { openFolder, readFolder, readFolderPlus, releaseFolder, syncFolder } from './handlers/folders.js';
import * as names from './handlers/names.js';
import { destroy, figures, init, interrupt, ioctl, notImplemented } from './handlers/session.js';
import { read, write } from './handlers/transfer.js';
import { getXattr, listXattrs, removeXattr, setXattr } from './handlers/xattrs.js';
import { OPCODE, opcodeName } from './wire/opcodes.js';

type Handler = (exchange: Exchange) => void;

const HANDLERS: Handler[] = [];
HANDLERS[OPCODE.LOOKUP] = names.lookup;
HANDLERS[OPCODE.FORGET] = names.forget;
HANDLERS[OPCODE.BATCH_FORGET] = names.batchForget;
HANDLERS[OPCODE.CREATE] = names.create;
HANDLERS[OPCODE.TMPFILE] = names.temporary;
HANDLERS[OPCODE.MKNOD] = names.makeNode;
HANDLERS[OPCODE.MKDIR] = names.makeFolder;
HANDLERS[OPCODE.SYMLINK] = names.symlink;
HANDLERS[OPCODE.LINK] = names.link;
HANDLERS[OPCODE.UNLINK] = names.unlink;
HANDLERS[OPCODE.RMDIR] = names.removeFolder;
HANDLERS[OPCODE.RENAME] = names.rename;
HANDLERS[OPCODE.RENAME2] = names.rename2;
HANDLERS[OPCODE.GETATTR] = getAttributes;
HANDLERS[OPCODE.STATX] = getExtended;
HANDLERS[OPCODE.SETATTR] = setAttributes;
HANDLERS[OPCODE.READLINK] = readLink;
HANDLERS[OPCODE.OPEN] = open;
HANDLERS[OPCODE.READ] = read;
HANDLERS[OPCODE.WRITE] = write;
HANDLERS[OPCODE.FLUSH] = flush;
HANDLERS[OPCODE.FSYNC] = sync;
HANDLERS[OPCODE.RELEASE] = release;
HANDLERS[OPCODE.FALLOCATE] = allocate;
HANDLERS[OPCODE.LSEEK] = seek;
HANDLERS[OPCODE.COPY_FILE_RANGE] = copyRange;
HANDLERS[OPCODE.COPY_FILE_RANGE_64] = copyRange64;
HANDLERS[OPCODE.OPENDIR] = openFolder;
HANDLERS[OPCODE.READDIR] = readFolder;
HANDLERS[OPCODE.READDIRPLUS] = readFolderPlus;
HANDLERS[OPCODE.FSYNCDIR] = syncFolder;
HANDLERS[OPCODE.RELEASEDIR] = releaseFolder;
HANDLERS[OPCODE.GETXATTR] = getXattr;
HANDLERS[OPCODE.LISTXATTR] = listXattrs;
HANDLERS[OPCODE.SETXATTR] = setXattr;
HANDLERS[OPCODE.REMOVEXATTR] = removeXattr;
HANDLERS[OPCODE.INIT] = init;
HANDLERS[OPCODE.DESTROY] = destroy;
HANDLERS[OPCODE.INTERRUPT] = interrupt;
HANDLERS[OPCODE.STATFS] = figures;
HANDLERS[OPCODE.IOCTL] = ioctl;
// What the kernel may safely switch off for good: it then decides by itself (access), or has nothing to ask for.
for (const opcode of [
  OPCODE.ACCESS,
  OPCODE.BMAP,
  OPCODE.POLL,
  OPCODE.GETLK,
  OPCODE.SETLK,
  OPCODE.SETLKW,
  OPCODE.SETUPMAPPING,
  OPCODE.REMOVEMAPPING,
  OPCODE.SYNCFS,
]) {
  HANDLERS[opcode] = notImplemented;
}

/**
 * Handles the request in the exchange's channel: answers it, or makes sure that a promise will. Never throws: whatever
 * goes wrong is that request's answer.
 * @param length bytes of the request
 */
export function dispatch(exchange: Exchange, opcode: number, length: number): void {
  exchange.request.load(exchange.channel.request, opcode, length);
  exchange.counts.add(opcode);
  const handler = HANDLERS[opcode];
  try {
    if (handler === undefined) refuseUnknown(exchange, opcode);
    else handler(exchange);
  } catch (error) {
    if (isUnanswerable(opcode))
      exchange.log.error({ error, opcode: opcodeName(opcode) }, 'A message was not understood');
    else exchange.fail(error);
  }
}

/** A kernel that knows newer operations does without them when told so; EIO would be taken for the operation's outcome. */
function refuseUnknown(exchange: Exchange, opcode: number): void {
  if (opcode === OPCODE.NOTIFY_REPLY) return;
  exchange.log.warn({ opcode }, `The kernel asked for the unknown operation ${opcode}`);
  exchange.refuse(constants.errno.ENOSYS);
}

function isUnanswerable(opcode: number): boolean {
  return opcode === OPCODE.FORGET || opcode === OPCODE.BATCH_FORGET || opcode === OPCODE.INTERRUPT;
}
