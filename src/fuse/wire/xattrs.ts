import type { WordView } from './integers.js';
import { BODY, HEADER_BYTES, type Request } from './request.js';

const ACL_KILL_SGID = 1 << 0;

/** `struct fuse_getxattr_in`, then the name. `size` 0 asks for the length only. */
export function decodeGetXattr(request: Request): { readonly size: number; readonly name: Buffer } {
  request.expect(8);
  return { size: request.words[BODY]!, name: request.text(HEADER_BYTES + 8) };
}

/** `struct fuse_getxattr_in`, of LISTXATTR. */
export function decodeListXattr(request: Request): number {
  request.expect(8);
  return request.words[BODY]!;
}

export interface SetXattrCall {
  readonly name: Buffer;
  /** A copy. */
  readonly value: Buffer;
  readonly flags: number;
  readonly killSetgid: boolean;
}

/** `struct fuse_setxattr_in` (8 bytes, or 16 with FUSE_SETXATTR_EXT), name, value. */
export function decodeSetXattr(request: Request, extended: boolean): SetXattrCall {
  const bytes = extended ? 16 : 8;
  request.expect(bytes);
  const { words } = request;
  const size = words[BODY]!;
  const nameEnd = request.endOfText(HEADER_BYTES + bytes);
  if (nameEnd + 1 + size !== request.length) throw request.malformed(`has a value that is not ${size} bytes long`);
  return {
    name: request.text(HEADER_BYTES + bytes),
    value: Buffer.from(request.bytes.subarray(nameEnd + 1, request.length)),
    flags: words[BODY + 1]!,
    killSetgid: extended && (words[BODY + 2]! & ACL_KILL_SGID) !== 0,
  };
}

/** `struct fuse_getxattr_out`: a length. */
export function encodeLength(out: WordView, at: number, length: number): number {
  out.words[at] = length;
  out.words[at + 1] = 0;
  return 8;
}
