import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { MAX_READ_BYTES } from '../../src/fuse/native-transport.js';
import { mountFuse, unmountFuse } from '../../src/native/fuse-mount.js';
import type { MountWorkerData } from './memory-mount.js';

// A process of its own with a memory mount: MOUNTPOINT FOLDER. Says "mounted", then does what it is told on its standard
// input: `exit` (process.exit in the middle of everything), `throw`, or `unmount`. Ends once it is unmounted.

const [mountpoint = '', folder = ''] = process.argv.slice(2);
const descriptor = await mountFuse(mountpoint, { source: 'memory', maxReadBytes: MAX_READ_BYTES });
const workerData: MountWorkerData = { descriptor, delayed: true, folder, stuckFiles: 0 };
const worker = new Worker(new URL('./memory-mount-worker.js', import.meta.url), { workerData });
worker.once('exit', (code) => process.exit(code));
writeSync(1, 'mounted\n');
process.stdin.on('data', (data) => {
  const word = data.toString().trim();
  if (word === 'exit') process.exit(7);
  if (word === 'throw') throw new Error('as told');
  void unmountFuse(mountpoint);
});
