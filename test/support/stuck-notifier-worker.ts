import { parentPort, workerData } from 'node:worker_threads';
import { silentLog } from '../../src/core/log.js';
import { dispatch } from '../../src/fuse/dispatcher.js';
import { Exchange } from '../../src/fuse/exchange.js';
import { OPCODE } from '../../src/fuse/wire/opcodes.js';
import { FuseSession } from '../../src/native/fuse-session.js';
import { MemoryVfs } from './memory-vfs.js';

// A session that never answers mkdir, and notifies the kernel of a change in the folder whose lock that mkdir holds:
// the notification cannot go through. (A transport would hold it back.)

const session = new FuseSession(workerData as number, 1 << 20);
const exchange = new Exchange(new MemoryVfs(), session, silentLog);
session.start({
  onRequest(opcode, length) {
    if (opcode !== OPCODE.MKDIR) return dispatch(exchange, opcode, length);
    session.invalidateEntry(1, 0, Buffer.from('name'));
    parentPort?.postMessage('stuck');
  },
  onEnd() {},
});
