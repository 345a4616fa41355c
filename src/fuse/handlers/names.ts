import type { Attributes, OpenResult } from '../../vfs/api.js';
import { S_IFDIR } from '../../vfs/file-mode.js';
import { type Encoding, type Exchange, PAYLOAD } from '../exchange.js';
import { ENTRY_BYTES, writeEntry, writeNegativeEntry } from '../wire/attributes.js';
import { OPEN_OUT_BYTES, writeOpened } from '../wire/files.js';
import { readU64 } from '../wire/integers.js';
import { BODY, HEADER_BYTES } from '../wire/request.js';
import { releaseUnseen } from './files.js';

/** A node the kernel gets a reference to. */
const ENTRY: Encoding<Attributes, undefined> = {
  encode(out, attributes) {
    writeEntry(out.words, PAYLOAD, attributes);
    return ENTRY_BYTES;
  },
  undo: (vfs, attributes) => vfs.names.forget(attributes.node, 1),
};

/** The same, or the news that there is no such name. */
const FOUND: Encoding<Attributes | undefined, undefined> = {
  encode(out, attributes) {
    if (attributes === undefined) writeNegativeEntry(out.words, PAYLOAD);
    else writeEntry(out.words, PAYLOAD, attributes);
    return ENTRY_BYTES;
  },
  undo(vfs, attributes) {
    if (attributes !== undefined) vfs.names.forget(attributes.node, 1);
  },
};

interface Created {
  readonly attributes: Attributes;
  readonly open: OpenResult;
}

/** A node and an open file on it. */
const CREATED: Encoding<Created, undefined> = {
  encode(out, created) {
    writeEntry(out.words, PAYLOAD, created.attributes);
    writeOpened(out.words, PAYLOAD + ENTRY_BYTES / 4, created.open);
    return ENTRY_BYTES + OPEN_OUT_BYTES;
  },
  undo(vfs, created) {
    releaseUnseen(vfs, created.open.handle);
    vfs.names.forget(created.attributes.node, 1);
  },
};

export function lookup(exchange: Exchange): void {
  const { request, vfs } = exchange;
  exchange.answer(vfs.names.lookup(request.node(), request.name(HEADER_BYTES)), FOUND, undefined);
}

export function forget(exchange: Exchange): void {
  const { request, vfs } = exchange;
  request.expect(8);
  vfs.names.forget(request.node(), readU64(request.words, BODY));
}

/** `struct fuse_batch_forget_in`, then `count` times `fuse_forget_one`. */
export function batchForget(exchange: Exchange): void {
  const { request, vfs } = exchange;
  request.expect(8);
  const count = request.words[BODY]!;
  request.expect(8 + count * 16);
  for (let index = 0, at = BODY + 2; index < count; index++, at += 4) {
    vfs.names.forget(request.nodeAt(at), readU64(request.words, at + 2));
  }
}

/** `struct fuse_create_in`, then the name. */
export function create(exchange: Exchange): void {
  const { request, vfs } = exchange;
  request.expect(16);
  const { words } = request;
  const caller = request.caller();
  const name = request.name(HEADER_BYTES + 16);
  const [flags, mode, umask] = [words[BODY]!, request.modeAt(BODY + 1), words[BODY + 2]!];
  exchange.answer(vfs.names.create(caller, request.node(), name, mode, umask, flags), CREATED, undefined, caller);
}

/** As CREATE; the name says nothing. */
export function temporary(exchange: Exchange): void {
  const { request, vfs } = exchange;
  request.expect(16);
  const { words } = request;
  const caller = request.caller();
  const created = vfs.names.temporary(caller, request.node(), request.modeAt(BODY + 1), words[BODY + 2]!, words[BODY]!);
  exchange.answer(created, CREATED, undefined, caller);
}

/** `struct fuse_mknod_in`, then the name. */
export function makeNode(exchange: Exchange): void {
  const { request, vfs } = exchange;
  request.expect(16);
  const { words } = request;
  const caller = request.caller();
  const name = request.name(HEADER_BYTES + 16);
  const made = vfs.names.makeNode(
    caller,
    request.node(),
    name,
    request.modeAt(BODY),
    words[BODY + 2]!,
    words[BODY + 1]!,
  );
  exchange.answer(made, ENTRY, undefined, caller);
}

/** `struct fuse_mkdir_in`, then the name. */
export function makeFolder(exchange: Exchange): void {
  const { request, vfs } = exchange;
  request.expect(8);
  const { words } = request;
  const caller = request.caller();
  const name = request.name(HEADER_BYTES + 8);
  // mkdir(2) sends permission bits only.
  const made = vfs.names.makeFolder(caller, request.node(), name, S_IFDIR | request.modeAt(BODY), words[BODY + 1]!);
  exchange.answer(made, ENTRY, undefined, caller);
}

/** The name, then the target. */
export function symlink(exchange: Exchange): void {
  const { request, vfs } = exchange;
  const caller = request.caller();
  const name = request.name(HEADER_BYTES);
  const target = request.text(HEADER_BYTES + name.length + 1);
  exchange.answer(vfs.names.symlink(caller, request.node(), name, target), ENTRY, undefined, caller);
}

/** `struct fuse_link_in`, then the new name in the request's node. */
export function link(exchange: Exchange): void {
  const { request, vfs } = exchange;
  request.expect(8);
  const name = request.name(HEADER_BYTES + 8);
  exchange.answer(vfs.names.link(request.nodeAt(BODY), request.node(), name), ENTRY, undefined);
}

export function unlink(exchange: Exchange): void {
  const { request, vfs } = exchange;
  exchange.answerDone(vfs.names.unlink(request.node(), request.name(HEADER_BYTES)));
}

export function removeFolder(exchange: Exchange): void {
  const { request, vfs } = exchange;
  exchange.answerDone(vfs.names.removeFolder(request.node(), request.name(HEADER_BYTES)));
}

/** `struct fuse_rename_in`, then both names. */
export function rename(exchange: Exchange): void {
  renameWith(exchange, 8, 0);
}

/** `struct fuse_rename2_in`, then both names. */
export function rename2(exchange: Exchange): void {
  exchange.request.expect(16);
  renameWith(exchange, 16, exchange.request.words[BODY + 2]!);
}

function renameWith(exchange: Exchange, structureBytes: number, flags: number): void {
  const { request, vfs } = exchange;
  request.expect(structureBytes);
  const caller = request.caller();
  const name = request.name(HEADER_BYTES + structureBytes);
  const newName = request.name(HEADER_BYTES + structureBytes + name.length + 1);
  const newParent = request.nodeAt(BODY);
  exchange.answerDone(vfs.names.rename(caller, request.node(), name, newParent, newName, flags), caller);
}
