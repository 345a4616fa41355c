import { addon } from './addon.js';
import { requireInteger } from './check.js';

/** The process at the other end of a unix socket, as it was when it connected. */
export interface SocketPeer {
  readonly pid: number;
  /** Its effective user. */
  readonly uid: number;
}

const native = addon as { socketPeer(descriptor: number): SocketPeer };

/** @throws what getsockopt(2) gives: `ENOTSOCK` where it is no socket */
export function socketPeer(descriptor: number): SocketPeer {
  requireInteger(descriptor, 'descriptor', 0, 0x7fffffff);
  return native.socketPeer(descriptor);
}
