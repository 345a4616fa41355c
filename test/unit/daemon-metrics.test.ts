import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdirSync } from 'node:fs';
import { createServer, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { standingDigests } from '../../src/chunk/standing-chunks.js';
import { callDaemon } from '../../src/control/client.js';
import type { Status } from '../../src/control/commands.js';
import { digestHex } from '../../src/core/digest.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { type Log, silentLog } from '../../src/core/log.js';
import { ownSocketPath } from '../../src/daemon/control-socket.js';
import type { ChunkLookUp, IndexLookUp } from '../../src/daemon/look-ups.js';
import { type DaemonOptions, runDaemon } from '../../src/daemon/main.js';
import { FIGURES } from '../../src/daemon/metrics/figures.js';
import { type ListenAddress, pageAddress, parseListenAddress } from '../../src/daemon/metrics/listen-address.js';
import { statusPage } from '../../src/daemon/metrics/status-page.js';
import { createDatastore } from '../../src/datastore/create.js';
import { keptLog } from '../support/live-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const workerScript = new URL('../support/fake-mount-worker.js', import.meta.url);
const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;

async function prepare(t: TestContext, metrics: ListenAddress): Promise<DaemonOptions> {
  const folder = temporaryFolder(t);
  const [store, mountpoint] = [join(folder, 'store'), join(folder, 'mnt')];
  await createDatastore(store, { reserveBytes: 4096 });
  mkdirSync(mountpoint);
  return { store, mountpoint, group: null, readOnly: false, transport: 'native', logLevel: 'info', metrics };
}

/** A daemon with a fake mount worker; the address of its page, and its socket. */
async function start(t: TestContext, log: Log = silentLog): Promise<{ page: string; socket: string }> {
  const options = await prepare(t, { host: '127.0.0.1', port: 0 });
  const socket = ownSocketPath(options.store);
  let ended: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    ended = runDaemon(options, { log, workerScript, onReady: () => resolve() });
    ended.catch(reject);
  });
  t.after(async () => {
    await callDaemon(socket, 'unmount', { lazy: false });
    await ended;
  });
  const { metricsAddress } = await callDaemon(socket, 'status', {});
  assert.ok(metricsAddress);
  return { page: metricsAddress, socket };
}

test('the figures are the same over the socket and over HTTP, and are what the mount says', async (t) => {
  const { page, socket } = await start(t);
  const response = await fetch(`${page}metrics`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  for (const line of [
    'cairn_requests_total{operation="LOOKUP"} 6',
    'cairn_storage_chunks_total{state="present"} 14',
    'cairn_storage_chunks_bytes_total{state="bad"} 15',
    'cairn_storage_chunk_operations_total{operation="create"} 2',
    'cairn_storage_chunk_operations_total{operation="deduplicate"} 3',
    'cairn_storage_chunk_operations_total{operation="delete"} 11',
    'cairn_storage_chunk_operations_total{operation="receive"} 13',
    'cairn_storage_chunk_dedupe_hits_total 3',
    'cairn_compression_skipped_total 1',
    'cairn_storage_objects_total 16',
    'cairn_storage_objects_bytes_total 17',
    'cairn_compression_bytes_in_total 4',
    'cairn_compression_bytes_out_total 5',
    'cairn_compression_ratio 2',
    'cairn_backend_failing{backend="d0"} 1',
    'cairn_backend_available_bytes{backend="d0"} 18',
    'cairn_backend_errors_total{backend="d0"} 19',
    'cairn_backend_pieces{backend="d0"} 24',
    'cairn_backend_pieces_written_total{backend="d0"} 20',
    'cairn_backend_bytes_read_total{backend="d0"} 23',
    'cairn_gc_last_run_timestamp_seconds 12',
    'cairn_repair_healed_chunks_total 13',
    'cairn_problems{kind="test"} 1',
    'cairn_schedule_running{job="gc",group=""} 0',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} in\n${text}`);
  }
  for (const { name } of FIGURES) assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
  // Counters are not added up from one question to the next.
  const again = await Promise.all([callDaemon(socket, 'metrics', {}), callDaemon(socket, 'metrics', {})]);
  const steady = (all: string): string => all.replace(/^cairn_(memory_bytes|schedule_next).*$/gm, '');
  for (const answer of again) assert.equal(steady(answer.text), steady(text));
});

test('the page shows the state and nothing can be changed by it', async (t) => {
  const { page } = await start(t);
  const shown = await fetch(page);
  assert.equal(shown.status, 200);
  assert.match(shown.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  assert.match(await shown.text(), /A problem/);
  const health = await fetch(`${page}health`);
  assert.deepEqual([health.status, await health.text()], [503, 'A problem\n']);
  const ready = await fetch(`${page}ready`);
  assert.deepEqual([ready.status, await ready.text()], [200, 'ready\n']);
  const head = await fetch(`${page}metrics`, { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
  assert.equal((await fetch(`${page}else`)).status, 404);
  const post = await fetch(page, { method: 'POST', body: 'x' });
  assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
});

test('the index and its chunks can be looked up as JSON', async (t) => {
  const { page } = await start(t);
  const stats = await fetch(`${page}admin/index/stats`);
  assert.equal(stats.headers.get('content-type'), 'application/json');
  const { chunks, objects, kind } = (await stats.json()) as IndexLookUp;
  const standing = standingDigests();
  assert.deepEqual([kind, chunks.present.chunks, objects], ['sqlite', standing.length, 0]);
  const id = digestHex(standing[0] as Uint8Array);
  const chunk = (await (await fetch(`${page}admin/chunks/${id}`)).json()) as ChunkLookUp;
  assert.deepEqual([chunk.id, chunk.state, chunk.size], [id, 'present', 16]);
  assert.equal(chunk.fileBytes, chunk.storedSize);
  const none = await fetch(`${page}admin/chunks/${'0'.repeat(64)}`);
  assert.deepEqual([none.status, await none.text()], [404, `There is no chunk ${'0'.repeat(64)}\n`]);
  assert.equal((await fetch(`${page}admin/chunks/x`)).status, 400);
  assert.deepEqual([chunk.pieces, (await fetch(`${page}admin/ec-groups/${id}`)).status], [null, 404]);
});

test('names of files are text on the page, whatever is in them', () => {
  const status = {
    ...{ pid: 1, version: '1', store: '/a<b>', mountpoint: '/m', readOnly: true, group: null, transport: 'native' },
    lowLatency: 'unavailable' as const,
    ...{ startedAt: 0, dirtyBytes: 0, oldestUnsyncedSeconds: null, memoryBytes: 1, metricsAddress: null },
    ...{ requests: {}, uploads: null, oldestVerifiedAt: 0, schedule: [] },
    catalogCopies: { count: 0, bytes: 0, newestAt: null },
    problems: [{ kind: 'damaged-chunk', message: '<script>"&\'' }],
    chunks: { loads: 0, inserts: 0, reuses: 0, plainBytes: 0, encodedBytes: 0, uncompressed: 0 },
  } as Status;
  const page = statusPage(status);
  assert.ok(page.includes('&lt;script&gt;&quot;&amp;&#39;'));
  assert.ok(!page.includes('<script'));
});

test('a port that is taken is told before anything is mounted', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const options = await prepare(t, { host: '127.0.0.1', port });
  await assert.rejects(runDaemon(options, { log: silentLog, workerScript }), isKind('busy'));
});

test('a place to listen is a port, on loopback where no host is named', () => {
  assert.deepEqual(parseListenAddress('9210'), { host: '127.0.0.1', port: 9210 });
  assert.deepEqual(parseListenAddress('[::1]:9210'), { host: '::1', port: 9210 });
  assert.equal(pageAddress(parseListenAddress('[::1]:9210')), 'http://[::1]:9210/');
  assert.deepEqual(parseListenAddress('backup.example.org:80'), { host: 'backup.example.org', port: 80 });
  for (const bad of ['', 'x', ':9', '65536', '1:2:3', '::1:80', '[x]:80', '[1.2.3.4]:80', '-1', '80 ']) {
    assert.throws(() => parseListenAddress(bad), isKind('invalid'), bad);
  }
});

test('a connection that cannot be accepted does not end the daemon', async (t) => {
  const log = keptLog();
  const { page } = await start(t, log);
  const servers = new Set<Server>();
  const note = (asked: unknown): void => {
    if (asked instanceof Object && 'server' in asked && asked.server instanceof Server) servers.add(asked.server);
  };
  subscribe('http.server.request.start', note);
  t.after(() => unsubscribe('http.server.request.start', note));
  assert.equal((await fetch(`${page}ready`)).status, 200);
  const [server, ...others] = servers;
  assert.deepEqual(others, []);
  server?.emit('error', new Error('accept EMFILE'));
  assert.ok(log.lines.includes('debug metrics connection broke'));
  assert.equal((await fetch(`${page}ready`)).status, 200);
});
