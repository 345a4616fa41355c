import type { Awaitable, HandleId, NodeId, OpenResult, Vfs } from '../../vfs/api.js';
import { type Encoding, type Exchange, PAYLOAD } from '../exchange.js';
import {
  decodeAllocate,
  decodeCopy,
  decodeHandle,
  decodeOpen,
  decodeSeek,
  decodeSync,
  encodeOffset,
  encodeWritten,
  O_TRUNC,
  OPEN_OUT_BYTES,
  writeOpened,
} from '../wire/files.js';
import type { RequestCaller } from '../wire/request.js';

/** The most copy_file_range answers in 32 bits: whole pages below 2^32, as the kernel cuts it. */
const MOST_COPIED_32 = 0xffff_f000;

const OPENED: Encoding<OpenResult, undefined> = {
  encode(out, opened) {
    writeOpened(out.words, PAYLOAD, opened);
    return OPEN_OUT_BYTES;
  },
  undo: (vfs, opened) => releaseUnseen(vfs, opened.handle),
};

const COPIED_32: Encoding<number, undefined> = { encode: (out, copied) => encodeWritten(out, PAYLOAD, copied) };
const OFFSET: Encoding<number, undefined> = { encode: (out, offset) => encodeOffset(out, PAYLOAD, offset) };

/** Closes a handle the kernel never learned of; its errors can be told to nobody. */
export function releaseUnseen(vfs: Vfs, handle: HandleId): void {
  const released = vfs.files.release(handle);
  if (released instanceof Promise) released.catch(() => {});
}

/** FUSE_ATOMIC_O_TRUNC is negotiated: a truncating open is one request, and two steps here. */
export function open(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const { flags, killPrivileges } = decodeOpen(request);
  const caller = request.caller();
  const node = request.node();
  const opened = vfs.files.open(caller, node, flags & ~O_TRUNC);
  exchange.answer(
    (flags & O_TRUNC) === 0 ? opened : truncated(vfs, caller, node, opened, killPrivileges),
    OPENED,
    undefined,
    caller,
  );
}

async function truncated(
  vfs: Vfs,
  caller: RequestCaller,
  node: NodeId,
  opening: Awaitable<OpenResult>,
  killPrivileges: boolean,
): Promise<OpenResult> {
  const opened = await opening;
  try {
    await vfs.attributes.set(caller, node, opened.handle, killPrivileges ? { size: 0, killPrivileges } : { size: 0 });
  } catch (error) {
    releaseUnseen(vfs, opened.handle);
    throw error;
  }
  return opened;
}

/** `struct fuse_flush_in`. */
export function flush(exchange: Exchange): void {
  exchange.answerDone(exchange.vfs.files.flush(decodeHandle(exchange.request, 24)));
}

export function sync(exchange: Exchange): void {
  const { handle, dataOnly } = decodeSync(exchange.request);
  exchange.answerDone(exchange.vfs.files.sync(handle, dataOnly));
}

/** `struct fuse_release_in`. */
export function release(exchange: Exchange): void {
  exchange.answerDone(exchange.vfs.files.release(decodeHandle(exchange.request, 24)));
}

export function allocate(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const { handle, offset, length, mode } = decodeAllocate(request);
  const caller = request.caller();
  exchange.answerDone(vfs.files.allocate(caller, handle, offset, length, mode), caller);
}

export function seek(exchange: Exchange): void {
  const { handle, offset, whence } = decodeSeek(exchange.request);
  exchange.answer(exchange.vfs.files.seek(handle, offset, whence), OFFSET, undefined);
}

export function copyRange(exchange: Exchange): void {
  copyWith(exchange, MOST_COPIED_32, COPIED_32);
}

/** The same, answered in 64 bits (7.45). */
export function copyRange64(exchange: Exchange): void {
  copyWith(exchange, Number.MAX_SAFE_INTEGER, OFFSET);
}

function copyWith(exchange: Exchange, mostBytes: number, encoding: Encoding<number, undefined>): void {
  const { request, vfs } = exchange;
  const caller = request.caller();
  exchange.answer(vfs.files.copyRange(caller, decodeCopy(request, mostBytes)), encoding, undefined, caller);
}
