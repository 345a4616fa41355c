// The program of a thread with a proxy in front of an S3 server that counts requests by method.
import { parentPort, workerData } from 'node:worker_threads';
import { S3Proxy } from '../../dist/test/support/s3-proxy.js';

const proxy = await S3Proxy.open(workerData.endpoint);
parentPort.on('message', async (message) => {
  if (message === 'end') {
    await proxy.down();
    parentPort.close();
    return;
  }
  const counts = {};
  for (const { method } of proxy.takeSeen()) counts[method] = (counts[method] ?? 0) + 1;
  parentPort.postMessage(counts);
});
parentPort.postMessage(proxy.endpoint);
