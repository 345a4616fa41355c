import { constants } from 'node:os';
import { type Encoding, type Exchange, PAYLOAD } from '../exchange.js';
import { HEADER_BYTES } from '../wire/request.js';
import { decodeGetXattr, decodeListXattr, decodeSetXattr, encodeLength } from '../wire/xattrs.js';
import { shownTo } from '../xattr-names.js';

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h. */
const MOST_BYTES = 65_536;

/** Bytes for a caller with room for `size`; 0 asks for the length only. See getxattr(2), listxattr(2). */
function roomErrno(length: number, size: number): number {
  if (length > MOST_BYTES) return constants.errno.E2BIG;
  return size > 0 && length > size ? constants.errno.ERANGE : 0;
}

const VALUE: Encoding<Uint8Array, number> = {
  encode(out, value, size) {
    const errno = roomErrno(value.length, size);
    if (errno > 0) return -errno;
    if (size === 0) return encodeLength(out, PAYLOAD, value.length);
    out.bytes.set(value, PAYLOAD * 4);
    return value.length;
  },
};

interface ListCall {
  readonly size: number;
  readonly uid: number;
}

const NAMES: Encoding<readonly Uint8Array[], ListCall> = {
  encode(out, all, { size, uid }) {
    const names = shownTo(uid, all);
    const length = names.reduce((sum, name) => sum + name.length + 1, 0);
    const errno = roomErrno(length, size);
    if (errno > 0) return -errno;
    if (size === 0) return encodeLength(out, PAYLOAD, length);
    let at = PAYLOAD * 4;
    for (const name of names) {
      out.bytes.set(name, at);
      at += name.length;
      out.bytes[at++] = 0;
    }
    return length;
  },
};

export function getXattr(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const { size, name } = decodeGetXattr(request);
  exchange.answer(vfs.xattrs.get(request.node(), name), VALUE, size);
}

export function listXattrs(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const call = { size: decodeListXattr(request), uid: request.caller().uid };
  exchange.answer(vfs.xattrs.list(request.node()), NAMES, call);
}

export function setXattr(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const { name, value, flags, killSetgid } = decodeSetXattr(request, exchange.extendedSetXattr);
  const caller = request.caller();
  exchange.answerDone(vfs.xattrs.set(caller, request.node(), name, value, flags, killSetgid), caller);
}

export function removeXattr(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const caller = request.caller();
  exchange.answerDone(vfs.xattrs.remove(caller, request.node(), request.text(HEADER_BYTES)), caller);
}
