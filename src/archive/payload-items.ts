import { readLooseU64 } from './bytes.js';
import { ITEM_HEADER_BYTES, Item, type ItemType, itemTypeAt, writeItemHeader } from './items.js';

/** Where a regular file's content is: behind the PAYLOAD header at `offset`. Both in bytes. */
export interface PayloadPlace {
  /** Where the PAYLOAD header starts; the content follows 16 bytes later. */
  readonly offset: number;
  /** Length of the content, without the header. */
  readonly size: number;
}

/** Length in bytes of the header before each file's content, and of both markers (pbs-format §6.5). */
export const PAYLOAD_HEADER_BYTES = ITEM_HEADER_BYTES;

/** The header before a file's content of `size` bytes. */
export function payloadHeader(size: number): Buffer {
  return headerOf(Item.payload, size);
}

/** Whether the 16 bytes at `at` are the header of a file of `size` bytes. */
export function isPayloadHeader(bytes: Uint8Array, at: number, size: number): boolean {
  return itemTypeAt(bytes, at) === Item.payload && readLooseU64(bytes, at + 8) === size + ITEM_HEADER_BYTES;
}

/** The first 16 bytes of every payload stream. */
export function payloadStartMarker(): Buffer {
  return headerOf(Item.payloadStartMarker, 0);
}

/** The last 16 bytes of every payload stream. */
export function payloadTailMarker(): Buffer {
  return headerOf(Item.payloadTailMarker, 0);
}

function headerOf(type: ItemType, contentBytes: number): Buffer {
  const header = Buffer.alloc(ITEM_HEADER_BYTES);
  writeItemHeader(header, 0, type, ITEM_HEADER_BYTES + contentBytes);
  return header;
}
