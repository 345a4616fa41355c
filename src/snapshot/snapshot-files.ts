/** Files of a snapshot of a live tree (design §2). */
export const METADATA_NAME = 'root.mpxar.didx';
export const PAYLOAD_NAME = 'root.ppxar.didx';
/** The tree of a snapshot PBS made without splitting it (pbs-format §6.3, version 1). */
export const WHOLE_NAME = 'root.pxar.didx';
