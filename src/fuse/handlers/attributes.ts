import { constants } from 'node:os';
import type { Attributes } from '../../vfs/api.js';
import { type Encoding, type Exchange, PAYLOAD } from '../exchange.js';
import { decodeSetAttributes, encodeAttrOut, encodeStatx } from '../wire/attributes.js';

const ATTRIBUTES: Encoding<Attributes, undefined> = {
  encode: (out, attributes) => encodeAttrOut(out, PAYLOAD, attributes),
};

const EXTENDED: Encoding<Attributes, undefined> = {
  encode: (out, attributes) => encodeStatx(out, PAYLOAD, attributes),
};

const TARGET: Encoding<Uint8Array, undefined> = {
  encode(out, target) {
    out.bytes.set(target, PAYLOAD * 4);
    return target.length;
  },
};

/** The handle the request may carry adds nothing: an inode's attributes are the same through all. */
export function getAttributes(exchange: Exchange): void {
  exchange.answer(exchange.vfs.attributes.get(exchange.request.node()), ATTRIBUTES, undefined);
}

/** `struct fuse_statx_in`: asked where somebody wants the time of birth. What else it asks for comes along. */
export function getExtended(exchange: Exchange): void {
  exchange.request.expect(24);
  exchange.answer(exchange.vfs.attributes.get(exchange.request.node()), EXTENDED, undefined);
}

export function setAttributes(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const { handle, changes } = decodeSetAttributes(request);
  if (changes.size !== undefined && !Number.isSafeInteger(changes.size)) {
    exchange.refuse(constants.errno.EFBIG);
    return;
  }
  const caller = request.caller();
  exchange.answer(vfs.attributes.set(caller, request.node(), handle, changes), ATTRIBUTES, undefined, caller);
}

export function readLink(exchange: Exchange): void {
  exchange.answer(exchange.vfs.attributes.readLink(exchange.request.node()), TARGET, undefined);
}
