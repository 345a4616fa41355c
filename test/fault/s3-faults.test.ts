import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { ConditionalPuts } from '../../src/backend/s3/conditional-puts.js';
import { S3Backend } from '../../src/backend/s3/s3-backend.js';
import { DEFAULT_S3_LIMITS, type S3Limits, type S3Settings } from '../../src/backend/s3/s3-settings.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { type Fault, S3Proxy, s3Error } from '../support/s3-proxy.js';
import { NO_S3, s3Server } from '../support/s3-server.js';

const server = await s3Server();

/** So impatient that a test ends; nothing is asserted of the time itself. */
const LIMITS: S3Limits = { ...DEFAULT_S3_LIMITS, attempts: 3, idleMs: 5_000, longestPauseMs: 10 };

interface Faulty {
  readonly backend: S3Backend;
  readonly proxy: S3Proxy;
  readonly settings: S3Settings;
}

function faulty(name: string, body: (parts: Faulty) => Promise<void>, limits: Partial<S3Limits> = {}): void {
  if (server === undefined) {
    test(`s3 faults: ${name}`, { skip: NO_S3 }, () => undefined);
    return;
  }
  test(`s3 faults: ${name}`, async () => {
    const proxy = await S3Proxy.open(server.endpoint);
    const settings = { ...server.newStore(), endpoint: proxy.endpoint, conditionalPuts: true };
    const backend = new S3Backend(settings, { ...LIMITS, ...limits });
    try {
      await body({ backend, proxy, settings });
    } finally {
      backend.close();
      await proxy.down();
    }
  });
}

async function fails(promise: Promise<unknown>, kind: ErrorKind, text = /./): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof CairnError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, text);
    return true;
  });
}

async function listed(backend: S3Backend, prefix = ''): Promise<string[]> {
  const names: string[] = [];
  for await (const name of backend.list(prefix)) names.push(name);
  return names.sort();
}

const SLOW_DOWN = s3Error(503, 'SlowDown');
const HTML_404: Fault = {
  kind: 'answer',
  status: 404,
  body: '<html>no such page</html>',
  headers: { 'content-type': 'text/html' },
};

function conditional({ conditional }: S3Backend): ConditionalPuts {
  assert.ok(conditional !== undefined);
  return conditional;
}

/** All ways to ask for an object or for several. */
function askings(backend: S3Backend): (() => Promise<unknown>)[] {
  return [
    () => backend.get('name'),
    () => backend.getRange('name', 1, 2),
    () => backend.getRange('name', 1, 0),
    () => backend.size('name'),
    () => backend.touch('name'),
    () => backend.put('name', Buffer.from('abc')),
    () => conditional(backend).putNew('name', Buffer.from('abc')),
    () => backend.removeAll(['name']),
    () => backend.moveAll([{ from: 'name', to: 'other' }]),
    () => listed(backend),
  ];
}

const REFUSALS: readonly (readonly [string, Fault, ErrorKind, number])[] = [
  ['throttling', SLOW_DOWN, 'throttled', LIMITS.attempts],
  ['a connection that breaks', { kind: 'reset' }, 'unreachable', LIMITS.attempts],
  ['a server in trouble', s3Error(500, 'InternalError'), 'unreachable', LIMITS.attempts],
  ['a denial', s3Error(403, 'AccessDenied'), 'credentials-refused', 1],
  ['a key nobody knows', s3Error(403, 'InvalidAccessKeyId'), 'credentials-refused', 1],
  ['credentials that have expired', s3Error(400, 'ExpiredToken'), 'credentials-refused', LIMITS.attempts],
  ['a full store', s3Error(403, 'QuotaExceeded'), 'no-space', 1],
];

for (const [what, fault, kind, tries] of REFUSALS) {
  faulty(`${what} is ${kind} whatever is asked, after ${tries} tries`, async ({ backend, proxy }) => {
    // HEAD has no body to say why: a GET then does, or the status has to do.
    proxy.choose = ({ method }) => (method === 'HEAD' && fault.kind === 'answer' ? undefined : fault);
    for (const ask of askings(backend)) {
      proxy.takeSeen();
      await fails(ask(), kind);
      assert.equal(proxy.takeSeen().filter(({ method }) => method !== 'HEAD' || fault.kind === 'reset').length, tries);
    }
    proxy.always(undefined);
    assert.deepEqual(await listed(backend), []);
  });
}

faulty('what goes wrong twice is done the third time', async ({ backend, proxy }) => {
  const large = randomBytes(1024 * 1024);
  const harms: Fault[] = [SLOW_DOWN, { kind: 'reset' }, { kind: 'lose-reply' }];
  for (const harm of harms) {
    proxy.next(harm, harm);
    await backend.put('name', large);
    proxy.next(harm, harm);
    assert.ok((await backend.get('name')).equals(large));
    proxy.next(harm, harm);
    assert.deepEqual(await listed(backend), ['name']);
  }
  for (const kind of ['reset-mid-body', 'truncate', 'corrupt'] as const) {
    proxy.next({ kind }, { kind });
    assert.ok((await backend.get('name')).equals(large), kind);
  }
  proxy.next({ kind: 'reset-mid-body' }, { kind: 'truncate' });
  assert.deepEqual(await backend.getRange('name', 100, 5000), large.subarray(100, 5100));
  assert.equal(backend.counters.retries, 2 * (3 * harms.length + 4));
});

faulty('bytes that stay wrong are never given out', async ({ backend, proxy }) => {
  await backend.put('name', randomBytes(100_000));
  proxy.always({ kind: 'reset-mid-body' });
  await fails(backend.get('name'), 'unreachable');
  await fails(backend.getRange('name', 0, 5000), 'unreachable');
  for (const kind of ['truncate', 'corrupt'] as const) {
    proxy.always({ kind });
    await fails(backend.get('name'), 'corrupt');
  }
  proxy.always({ kind: 'truncate' });
  await fails(backend.getRange('name', 0, 5000), 'io');
});

faulty('bytes that change on the way in are refused by the server', async ({ backend, proxy }) => {
  const old = randomBytes(1000);
  const wanted = randomBytes(100_000);
  await backend.put('name', old);
  proxy.always({ kind: 'corrupt-request' });
  await fails(backend.put('name', wanted), 'io');
  proxy.always(undefined);
  assert.ok((await backend.get('name')).equals(old));
  proxy.next({ kind: 'corrupt-request' });
  await backend.put('name', wanted);
  assert.ok((await backend.get('name')).equals(wanted));
});

faulty('a lost reply changes nothing of what was done', async ({ backend, proxy }) => {
  const lost: Fault = { kind: 'lose-reply' };
  proxy.next(lost);
  assert.equal(await conditional(backend).putNew('lease', Buffer.from('mine')), true);
  proxy.next(lost);
  assert.equal(await conditional(backend).putNew('lease', Buffer.from('another')), false);
  assert.equal((await backend.get('lease')).toString(), 'mine');
  proxy.choose = once(({ method }) => method === 'PUT', lost);
  assert.deepEqual(await backend.moveAll([{ from: 'lease', to: 'moved' }]), [true]);
  assert.deepEqual(await listed(backend), ['moved']);
  proxy.choose = once(({ method }) => method === 'POST', lost);
  assert.deepEqual(await backend.removeAll(['moved', 'lease']), [true, false]);
  assert.deepEqual(await listed(backend), []);
});

faulty(
  'a listing that may not be whole is an error',
  async ({ backend, proxy }) => {
    const names = Array.from({ length: 9 }, (_, index) => `host/${index}`);
    await Promise.all(names.map((name) => backend.put(name, Buffer.from('x'))));
    const empty: Fault = { kind: 'answer', status: 200, headers: { 'content-type': 'application/xml' } };
    for (const harm of [{ kind: 'truncate' } as const, { kind: 'reset-mid-body' } as const, HTML_404, empty]) {
      proxy.always(harm);
      await assert.rejects(listed(backend, 'host'), CairnError, harm.kind);
      // Also of a page that is not the first.
      let pages = 0;
      proxy.choose = () => (++pages > 1 ? harm : undefined);
      await assert.rejects(listed(backend, 'host'), CairnError, harm.kind);
    }
    proxy.always(undefined);
    assert.deepEqual(await listed(backend, 'host'), names);
  },
  { listedAtOnce: 4 },
);

faulty('a missing page or bucket is no missing object', async ({ backend, proxy, settings }) => {
  proxy.always(HTML_404);
  for (const ask of askings(backend)) await fails(ask(), 'io');
  proxy.always(undefined);
  const elsewhere = new S3Backend({ ...settings, bucket: 'no-such-bucket' }, LIMITS);
  try {
    for (const ask of askings(elsewhere)) await fails(ask(), 'unreachable', /no such bucket/);
  } finally {
    elsewhere.close();
  }
});

faulty('a wrong clock is put right, or named', async ({ backend, proxy }) => {
  await backend.put('name', Buffer.from('abc'));
  const skewed = s3Error(403, 'RequestTimeTooSkewed', { date: new Date(Date.now() + 3_600_000).toUTCString() });
  // The server's pretended clock makes the next signature wrong, which the real server's answer puts right again.
  proxy.next(skewed);
  assert.equal((await backend.get('name')).toString(), 'abc');
  proxy.always(skewed);
  await fails(backend.get('name'), 'credentials-refused', /clock/);
});

faulty(
  'a server that is down, or says nothing, is unreachable until it is back',
  async ({ backend, proxy }) => {
    await backend.put('name', Buffer.from('abc'));
    await proxy.down();
    for (const ask of askings(backend)) await fails(ask(), 'unreachable');
    await proxy.up();
    assert.equal((await backend.get('name')).toString(), 'abc');
    proxy.always({ kind: 'stall' });
    await fails(backend.get('name'), 'unreachable', /nothing moved/);
    proxy.always(undefined);
    assert.equal((await backend.get('name')).toString(), 'abc');
  },
  { idleMs: 200 },
);

faulty('closing ends what is under way and leaves no connection', async ({ backend, proxy }) => {
  await Promise.all(Array.from({ length: 50 }, (_, index) => backend.put(`name${index}`, Buffer.from('abc'))));
  assert.ok(proxy.connections > 0 && proxy.connections <= LIMITS.requestsAtOnce, String(proxy.connections));
  const arrived = new Promise<void>((resolve) => {
    proxy.choose = () => {
      resolve();
      return { kind: 'stall' };
    };
  });
  const reading = backend.get('name1');
  const waiting = fails(reading, 'interrupted');
  await arrived;
  backend.close();
  await waiting;
  await fails(backend.get('name1'), 'interrupted');
  await proxy.idle();
  assert.equal(proxy.connections, 0);
});

function once<T>(matches: (value: T) => boolean, fault: Fault): (value: T) => Fault | undefined {
  let done = false;
  return (value) => {
    if (done || !matches(value)) return undefined;
    done = true;
    return fault;
  };
}
