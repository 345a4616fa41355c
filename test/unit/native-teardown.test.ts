import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ProgramEnd, runNodeProgram } from '../support/node-program.js';
import { temporaryFolder } from '../support/temporary-folder.js';

// The addon's threads outlive what they work for: each test ends a process or a thread at a bad moment.

const door = (name: string) => JSON.stringify(new URL(`../../src/native/${name}.js`, import.meta.url).href);

/** Starts much work of every kind, none of it awaited. */
const WORK = `
  const [{ encodeBlob }, { sha256 }, { Draft }, { scanChunks }, { JournalFile }, { listFolder, putFile }, { lockFile }] =
    await Promise.all([${['blob', 'hash', 'draft', 'chunker', 'journal-file', 'files', 'locks']
      .map((name) => `import(${door(name)})`)
      .join(', ')}]);
  const bytes = Buffer.alloc(4 << 20, 'text to be compressed and hashed ');
  function startWork(folder, name) {
    const cutter = { kind: 'dynamic', minBytes: 4096, averageBytes: 16384, maxBytes: 65536 };
    const draft = new Draft();
    draft.write(0, bytes);
    const journal = JournalFile.open(folder + '/journal-' + name, { create: true, preallocateBytes: 0 });
    journal.append(Buffer.alloc(8), [bytes]);
    const jobs = [journal.sync()];
    for (let round = 0; round < 8; round++) {
      jobs.push(
        encodeBlob(bytes, Buffer.alloc(bytes.length + 12), 3),
        sha256(bytes), scanChunks(bytes, cutter, true), draft.cut(0, bytes.length, cutter, true),
        draft.encode(0, 1 << 20, Buffer.alloc((1 << 20) + 12), 1), listFolder('/proc'),
        putFile(folder + '/' + name + round, folder + '/.' + name + round, bytes, { mode: 0o600 }),
      );
    }
    return { jobs, held: [draft, journal, lockFile(folder + '/lock', 'read')] };
  }
`;

/** The same for a worker: says that work is under way, then waits to be ended. */
const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    ${WORK}
    globalThis.kept = startWork(workerData.folder, workerData.name);
    parentPort.postMessage('working');
  })();
`;

const SILENT_END: ProgramEnd = { status: 0, signal: null, stdout: '', stderr: '' };

test('process.exit while jobs run', async (t) => {
  const folder = JSON.stringify(temporaryFolder(t));
  const moments = ['process.exit(0)', 'setImmediate(() => process.exit(0))', 'jobs[3].then(() => process.exit(0))'];
  for (const moment of [...moments, ...moments]) {
    const end = await runNodeProgram(`${WORK} const { jobs } = startWork(${folder}, 'main'); ${moment};`);
    assert.deepEqual(end, SILENT_END, moment);
  }
});

test('the process lives until its jobs are done, and no longer', async (t) => {
  const folder = JSON.stringify(temporaryFolder(t));
  const end = await runNodeProgram(`${WORK}
    const { jobs } = startWork(${folder}, 'main');
    Promise.all(jobs).then((results) => console.log(results.length, results[2].length));`);
  assert.deepEqual(end, { ...SILENT_END, stdout: '57 32\n' });
});

test('an exception nobody catches, with jobs and handles open', async (t) => {
  const folder = JSON.stringify(temporaryFolder(t));
  const failing = `${WORK} globalThis.kept = startWork(${folder}, 'main'); setImmediate(() => { throw new Error('on purpose'); });`;
  const caught = await runNodeProgram(`process.on('uncaughtException', () => process.exit(0)); ${failing}`);
  assert.deepEqual(caught, SILENT_END);
  const uncaught = await runNodeProgram(failing);
  assert.equal(uncaught.signal, null);
  assert.equal(uncaught.status, 1);
  assert.match(uncaught.stderr, /Error: on purpose/);
  assert.doesNotMatch(uncaught.stderr, /FATAL|napi|core dumped/i);
});

test('a hundred workers terminated while their jobs run', async (t) => {
  const folder = JSON.stringify(temporaryFolder(t));
  const end = await runNodeProgram(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    async function endOne(name) {
      const worker = new Worker(${JSON.stringify(WORKER)}, { eval: true, execArgv: [], workerData: { folder: ${folder}, name } });
      // Some are ended at work, some while they start, some leave by themselves as far as jobs go.
      if (name % 5 !== 0) await once(worker, 'message');
      if (name % 7 === 0) await new Promise((done) => setImmediate(done));
      await worker.terminate();
    }
    for (let name = 0; name < 100; name += 4) {
      await Promise.all([0, 1, 2, 3].map((more) => endOne(name + more)));
    }
    const { sha256 } = await import(${door('hash')});
    const digest = await sha256(Buffer.from('abc'));
    const { draftMemoryBytes } = await import(${door('draft')});
    const { lockFile } = await import(${door('locks')});
    const lock = lockFile(${folder} + '/lock', 'write');
    console.log(Buffer.from(digest).toString('hex', 0, 4), draftMemoryBytes(), lock !== undefined);
  `);
  assert.deepEqual(end, { ...SILENT_END, stdout: 'ba7816bf 0 true\n' });
});

test('workers terminated while calls of the addon fail', async () => {
  const failing = `
    const { parentPort } = require('node:worker_threads');
    import(${door('addon')}).then(({ addon }) => {
      parentPort.postMessage('failing');
      for (;;) { try { addon.cachedChunk(5); } catch {} }
    });`;
  const end = await runNodeProgram(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    for (let name = 0; name < 20; name++) {
      const worker = new Worker(${JSON.stringify(failing)}, { eval: true, execArgv: [] });
      await once(worker, 'message');
      await worker.terminate();
    }`);
  assert.deepEqual(end, SILENT_END);
});

test('a worker that loads the addon first may end before others use it', async (t) => {
  const folder = JSON.stringify(temporaryFolder(t));
  const end = await runNodeProgram(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    for (let name = 0; name < 5; name++) {
      const worker = new Worker(${JSON.stringify(WORKER)}, { eval: true, execArgv: [], workerData: { folder: ${folder}, name } });
      const [code] = await once(worker, 'exit');
      if (code !== 0) console.log('worker ended with', code);
    }`);
  assert.deepEqual(end, SILENT_END);
});

test('process.exit on the main thread while workers are at work', async (t) => {
  const folder = JSON.stringify(temporaryFolder(t));
  for (let round = 0; round < 5; round++) {
    const end = await runNodeProgram(`
      import { Worker } from 'node:worker_threads';
      import { once } from 'node:events';
      const workers = [0, 1, 2].map((name) =>
        new Worker(${JSON.stringify(WORKER)}, { eval: true, execArgv: [], workerData: { folder: ${folder}, name } }));
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      process.exit(0);`);
    assert.deepEqual(end, SILENT_END);
  }
});

test('a worker that throws with jobs under way reports just that', async (t) => {
  const folder = JSON.stringify(temporaryFolder(t));
  const throwing = `${WORKER} require('node:worker_threads').parentPort.on('message', () => { throw new Error('on purpose'); });`;
  const end = await runNodeProgram(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const worker = new Worker(${JSON.stringify(throwing)}, { eval: true, execArgv: [], workerData: { folder: ${folder}, name: 'w' } });
    await once(worker, 'message');
    worker.postMessage('fail');
    const [error] = await once(worker, 'error');
    console.log(error.message);`);
  assert.deepEqual(end, { ...SILENT_END, stdout: 'on purpose\n' });
});

test('no descriptor is left open by journals and locks that were dropped', async (t) => {
  const folder = join(temporaryFolder(t));
  const end = await runNodeProgram(
    `import { readdirSync } from 'node:fs';
     import { setFlagsFromString } from 'node:v8';
     import { runInNewContext } from 'node:vm';
     import { JournalFile } from ${door('journal-file')};
     import { lockFile } from ${door('locks')};
     setFlagsFromString('--expose-gc');
     const gc = runInNewContext('gc');
     const open = () => readdirSync('/proc/self/fd').length;
     const before = open();
     for (let at = 0; at < 50; at++) {
       const journal = JournalFile.open('${folder}/' + at, { create: true, preallocateBytes: 0 });
       journal.append(Buffer.alloc(8), []);
       const lock = lockFile('${folder}/lock-' + at, 'write');
       if (at % 2 === 0) { journal.close(); lock.release(); }
     }
     for (let round = 0; round < 20 && open() > before; round++) {
       gc();
       await new Promise((done) => setImmediate(done));
     }
     // The stack may still show the collector the last two.
     console.log(open() - before <= 2 ? 'closed' : open() - before);`,
  );
  assert.deepEqual(end, { ...SILENT_END, stdout: 'closed\n' });
});
