import { Worker } from 'node:worker_threads';

/**
 * Runs a function in a thread of its own, until it has returned (what it returns is awaited) and nothing keeps the thread.
 * @param module what its first argument is imported from
 * @param data its second argument
 * @param code text of the function
 */
export function runInWorker(module: URL, data: unknown, code: string): Promise<void> {
  const worker = startInWorker(module, data, code);
  return new Promise((done, fail) => {
    worker.on('error', fail);
    worker.on('exit', (status) => (status === 0 ? done() : fail(new Error(`The thread ended with status ${status}`))));
  });
}

/** The same, with the thread at hand: it posts `returned` when the function has. */
export function startInWorker(module: URL, data: unknown, code: string): Worker {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(module.href)}).then(async (module) => {
      await (${code})(module, workerData);
      parentPort.postMessage('returned');
    });`;
  return new Worker(source, { eval: true, workerData: data });
}
