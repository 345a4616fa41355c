import type { ExpectedRecord } from '../../archive/attributes-record.js';
import type { Stat } from '../../archive/entry.js';
import { type FlatListing, STATUS_NUMBERS, StatusNumber } from '../../native/source.js';

/** What a snapshot says of an entry of the source; one object for all of them, since there are many. */
export class ExpectedEntry implements Stat, ExpectedRecord {
  mode = 0;
  uid = 0;
  gid = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  btimeSec = 0;
  btimeNsec = 0;
  btimeUnknown = false;
  nlink = 1;
  parent = -1;
  nameLength = 0;

  /** Becomes entry `index` of the listing. */
  take(
    { statuses }: FlatListing,
    index: number,
    { parent, nameLength, nlink }: Pick<ExpectedRecord, 'parent' | 'nameLength' | 'nlink'>,
  ): void {
    const at = index * STATUS_NUMBERS;
    this.mode = statuses[at + StatusNumber.mode] as number;
    this.uid = statuses[at + StatusNumber.uid] as number;
    this.gid = statuses[at + StatusNumber.gid] as number;
    this.mtimeSec = statuses[at + StatusNumber.mtimeSec] as number;
    this.mtimeNsec = statuses[at + StatusNumber.mtimeNsec] as number;
    this.ctimeSec = statuses[at + StatusNumber.ctimeSec] as number;
    this.ctimeNsec = statuses[at + StatusNumber.ctimeNsec] as number;
    this.btimeSec = statuses[at + StatusNumber.btimeSec] as number;
    this.btimeNsec = statuses[at + StatusNumber.btimeNsec] as number;
    this.btimeUnknown = this.btimeSec === 0 && this.btimeNsec === 0;
    this.nlink = nlink;
    this.parent = parent;
    this.nameLength = nameLength;
  }
}
