/** Type of the item that holds a regular file's content (pbs-format §6.1). */
const PAYLOAD = 0x28147a1b0b7c1a25n;

/** Bytes of a payload header. */
export const PAYLOAD_HEADER_BYTES = 16;

/** The header that stands before a file's content in a payload stream; its length field counts the header too. */
export function payloadHeader(contentBytes: number): Buffer {
  const header = Buffer.alloc(PAYLOAD_HEADER_BYTES);
  header.writeBigUInt64LE(PAYLOAD, 0);
  header.writeBigUInt64LE(BigInt(PAYLOAD_HEADER_BYTES + contentBytes), 8);
  return header;
}
