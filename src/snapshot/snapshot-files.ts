/** Files of a snapshot of a live tree (design §2). */
export const METADATA_NAME = 'root.mpxar.didx';
export const PAYLOAD_NAME = 'root.ppxar.didx';
/** What a faithful restore needs beyond pxar; PBS carries it along. */
export const ATTRIBUTES_NAME = 'cairn.attrs.didx';
