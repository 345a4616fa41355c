import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ScheduledRun } from '../../src/control/schedule-commands.js';
import { CairnError } from '../../src/core/errors.js';
import { silentLog } from '../../src/core/log.js';
import { MountWorker } from '../../src/daemon/mount-worker-client.js';
import { runFailureHook } from '../../src/daemon/schedule/failure-hook.js';
import { scheduledJobs } from '../../src/daemon/schedule/jobs.js';
import { ScheduleService } from '../../src/daemon/schedule/schedule-service.js';
import { type Alarm, type RunJob, type Scheduled, Scheduler } from '../../src/daemon/schedule/scheduler.js';
import { RAISE } from '../../src/daemon/schedule/stored-schedule.js';
import { checkWhen, jitterMs, nextTime } from '../../src/daemon/schedule/when.js';
import { unmountedStatus } from '../../src/daemon/unmounted-status.js';
import { readConfig } from '../../src/datastore/config.js';
import { createDatastore } from '../../src/datastore/create.js';
import { writeJson } from '../../src/datastore/json-file.js';
import { type DatastorePaths, datastorePaths } from '../../src/datastore/paths.js';
import { ofKind } from '../support/catalog.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const HOUR = 3_600_000;
const START = new Date('2026-03-02T10:10:00').getTime();

/** Time that stands still until a test moves it. */
class TestAlarm implements Alarm {
  time = START;
  #set: { at: number; wake: () => void } | undefined;

  now(): number {
    return this.time;
  }

  at(at: number, wake: () => void): () => void {
    this.#set = { at, wake };
    return () => {
      this.#set = undefined;
    };
  }

  /** Lets time pass, with every alarm on the way. */
  pass(ms: number): void {
    const end = this.time + ms;
    for (let set = this.#set; set !== undefined && set.at <= end; set = this.#set) {
      this.time = Math.max(this.time, set.at);
      this.#set = undefined;
      set.wake();
    }
    this.time = end;
  }
}

/** A scheduler of made-up jobs. */
class Bench {
  readonly alarm = new TestAlarm();
  readonly last = new Map<string, ScheduledRun>();
  readonly begun: string[] = [];
  readonly ended: string[] = [];
  scheduled: Scheduled[] = [];
  readonly jobs: Record<string, RunJob> = {};
  readonly scheduler: Scheduler;

  constructor(t: TestContext) {
    this.scheduler = new Scheduler({
      ...{ alarm: this.alarm, log: silentLog, jobs: this.jobs, last: this.last, seed: 'a store' },
      scheduled: () => this.scheduled,
      ended: async ({ key }, { outcome }) => {
        this.ended.push(`${key} ${outcome}`);
      },
    });
    t.after(() => this.scheduler.stop());
  }

  add(key: string, when: string, job: RunJob = async () => ({ outcome: 'done', message: 'well' })): void {
    this.scheduled.push({ key, job: key, group: null, when });
    this.jobs[key] = (group, signal) => {
      this.begun.push(key);
      return job(group, signal);
    };
  }
}

/** What a daemon has of a store, without jobs. */
function serviceOf(t: TestContext, paths: DatastorePaths, alarm: Alarm): ScheduleService {
  const service = new ScheduleService({
    ...{
      paths,
      mountpoint: '/mnt',
      readOnly: false,
      uuid: 'a store',
      alarm,
      log: silentLog,
      jobs: {},
      onFailure: null,
    },
  });
  t.after(() => service.stop());
  return service;
}

/** Everything that can go on without time passing has. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('a job runs once each time, a bit later, and the next time is known', async (t) => {
  const bench = new Bench(t);
  bench.add('gc', 'hourly');
  bench.scheduler.start();
  const first = bench.scheduler.nextRun('gc') ?? 0;
  assert.ok(first >= START + 50 * 60_000 && first <= START + 56 * 60_000, 'at the hour, at most a tenth of it later');
  bench.alarm.pass(49 * 60_000);
  assert.deepEqual(bench.begun, []);
  for (let hours = 0; hours < 3; hours += 1) {
    bench.alarm.pass(HOUR);
    await settle();
  }
  assert.deepEqual(bench.ended, ['gc done', 'gc done', 'gc done']);
  assert.equal(bench.scheduler.nextRun('gc'), first + 3 * HOUR);
});

test('no two jobs run at once, and one that waits is not asked for twice', async (t) => {
  const bench = new Bench(t);
  let finish: () => void = () => undefined;
  const long: RunJob = () =>
    new Promise((resolve) => {
      finish = () => resolve({ outcome: 'done', message: 'at last' });
    });
  bench.add('gc', 'never', long);
  bench.add('verify', 'never');
  const task = (key: string) => ({ key, job: key, group: null });
  const runs = [
    bench.scheduler.run(task('gc')),
    bench.scheduler.run(task('verify')),
    bench.scheduler.run(task('verify')),
  ];
  await settle();
  assert.deepEqual(bench.begun, ['gc']);
  assert.ok(bench.scheduler.isRunning('gc'));
  finish();
  const outcomes = await Promise.all(runs);
  assert.deepEqual(bench.begun, ['gc', 'verify']);
  assert.deepEqual(
    outcomes.map(({ message }) => message),
    ['at last', 'well', 'well'],
  );
});

test('a failure is kept; what others do already, or the end of the mount, is none', async (t) => {
  const bench = new Bench(t);
  const failing = (kind: 'corrupt' | 'busy') => async () => {
    throw new CairnError(kind, `it is ${kind}`);
  };
  bench.add('gc', 'never', failing('corrupt'));
  bench.add('verify', 'never', failing('busy'));
  for (const key of ['gc', 'verify']) await bench.scheduler.run({ key, job: key, group: null });
  assert.deepEqual(bench.ended, ['gc failed', 'verify skipped']);
  assert.equal(bench.last.get('gc')?.message, 'it is corrupt');
  let given: AbortSignal | undefined;
  bench.add('prune', 'never', (_group, signal) => {
    given = signal;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))));
  });
  const run = bench.scheduler.run({ key: 'prune', job: 'prune', group: null });
  await settle();
  await bench.scheduler.stop();
  assert.ok(given?.aborted);
  assert.equal((await run).outcome, 'skipped');
  await assert.rejects(bench.scheduler.run({ key: 'gc', job: 'gc', group: null }), ofKind('interrupted'));
});

test('who waits for a job that has not begun is told when the mount ends', async (t) => {
  const bench = new Bench(t);
  bench.add(
    'gc',
    'never',
    (_group, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up')))),
  );
  bench.add('verify', 'hourly');
  bench.scheduler.start();
  const running = bench.scheduler.run({ key: 'gc', job: 'gc', group: null });
  const task = { key: 'verify', job: 'verify', group: null };
  const waiting = [bench.scheduler.run(task), bench.scheduler.run(task)];
  const told = waiting.map((run) => assert.rejects(run, ofKind('interrupted')));
  // By its time it is to run, too: nobody waits for that.
  bench.alarm.pass(HOUR);
  await bench.scheduler.stop();
  await Promise.all(told);
  assert.equal((await running).outcome, 'skipped');
  assert.deepEqual(bench.begun, ['gc']);
});

test('what was due while no daemon was there is made up for, a first time is waited for', async (t) => {
  const bench = new Bench(t);
  bench.add('gc', 'daily');
  bench.add('verify', 'daily');
  const long = START / 1000 - 3 * 86_400;
  bench.last.set('gc', { startedAt: long, endedAt: long, outcome: 'done', message: '' });
  bench.scheduler.start();
  bench.alarm.pass(6 * 60_000);
  await settle();
  assert.deepEqual(bench.begun, ['gc']);
  assert.ok((bench.scheduler.nextRun('gc') ?? 0) > START + 10 * HOUR);
});

test('a job that is moved is due by its new time at once, and others stay due when they were', async (t) => {
  const paths = datastorePaths(join(temporaryFolder(t), 'store'));
  await createDatastore(paths.root, { reserveBytes: 4096 });
  const long = START / 1000 - 3 * 86_400;
  await writeJson(paths.scheduleState, { verify: { startedAt: long, endedAt: long, outcome: 'done', message: '' } });
  const alarm = new TestAlarm();
  const service = serviceOf(t, paths, alarm);
  const next = (job: string) => service.list().find((entry) => entry.job === job)?.nextRunAt ?? 0;
  const time = (text: string) => new Date(text).getTime() / 1000;
  service.start();
  assert.ok(next('gc') >= time('2026-03-03T03:30:00') && next('gc') < time('2026-03-03T04:00:00'));
  const madeUp = next('verify');
  assert.equal(madeUp, START / 1000 + 300, 'a run that was missed is made up for');
  alarm.pass(60_000);
  await service.change({ schedules: { gc: '30 4 * * 0' } });
  const sunday = time('2026-03-08T04:30:00');
  assert.ok(next('gc') >= sunday && next('gc') < sunday + 1800, 'later than before');
  assert.equal(next('verify'), madeUp);
  await service.change({ schedules: { gc: '0 12 * * *' } });
  assert.ok(next('gc') < time('2026-03-02T12:30:00'), 'sooner than before');
  await service.change({ schedules: { verify: '0 0 1 * *' } });
  assert.ok(next('verify') >= time('2026-04-01T00:00:00'), 'nothing is made up for by a time that is new');
  await service.change({ schedules: { verify: 'never' } });
  assert.equal(next('verify'), 0);
});

test('redundancy that could not be raised is a failure, and a problem while the group asks for it', async (t) => {
  const bench = new Bench(t);
  const folder = temporaryFolder(t);
  const paths = datastorePaths(join(folder, 'store'));
  const backend = { type: 'fs', weight: 1, readOnly: false, draining: false, minFreeBytes: 0 } as const;
  const backends = ['d0', 'd1'].map((id) => ({ ...backend, id, path: join(folder, id) }));
  await createDatastore(paths.root, { reserveBytes: 4096, spread: { backends, redundancy: 'single' } });
  const worker = new MountWorker(
    new URL('../support/fake-mount-worker.js', import.meta.url),
    { store: paths.root, mountpoint: folder, group: null, readOnly: false, transport: 'native' },
    () => undefined,
  );
  t.after(() => worker.terminate());
  await worker.ready;
  bench.jobs[RAISE] = scheduledJobs(paths.root, worker)[RAISE]!;
  const task = { key: `${RAISE} host/x`, job: RAISE, group: 'host/x' };
  const { outcome, message } = await bench.scheduler.run(task);
  assert.deepEqual([outcome, message], ['failed', 'The backend d0 does not answer']);
  const { signal } = new AbortController();
  await worker.request('backend-mend', { apply: false }, { signal });
  assert.deepEqual(getEventListeners(signal, 'abort'), [], 'nothing waits for the signal any more');
  await writeJson(paths.scheduleState, Object.fromEntries(bench.last));
  const problems = (): string[] =>
    serviceOf(t, paths, bench.alarm)
      .problems()
      .map((problem) => problem.message);
  assert.deepEqual(problems(), []);
  await writeJson(paths.config, { ...readConfig(paths), groupRedundancy: { 'host/x': 'mirror:2' } });
  assert.match(problems()[0]!, /^Scheduled raise-redundancy host\/x failed at .*: The backend d0 does not answer$/);
  assert.ok((await unmountedStatus(paths.root)).problems.some((problem) => problem.message === problems()[0]));
});

test('times are cron patterns or names, and jitter is small and differs from store to store', () => {
  assert.equal(nextTime('30 3 * * *', START), new Date('2026-03-03T03:30:00').getTime());
  assert.equal(nextTime('never', START), undefined);
  assert.equal(nextTime('after-snapshot', START), undefined);
  for (const good of ['hourly', 'weekly', '*/5 * * * *', 'never']) checkWhen('gc', good);
  checkWhen('prune', 'after-snapshot');
  for (const bad of ['after-snapshot', 'sometimes', '61 * * * *', '* * * * * *', '']) {
    assert.throws(() => checkWhen('gc', bad), ofKind('invalid'), bad);
  }
  const jitters = new Set(['a', 'b', 'c'].map((seed) => jitterMs(seed, 'daily', START)));
  assert.equal(jitters.size, 3);
  for (const jitter of jitters) assert.ok(jitter >= 0 && jitter < HOUR / 2);
  assert.ok(jitterMs('a', '*/5 * * * *', START) <= 30_000);
});

test('the command for failures gets the facts, and is killed when it takes too long', async (t) => {
  const folder = temporaryFolder(t);
  await runFailureHook(`cat > ${join(folder, 'facts')}`, { job: 'gc' }, silentLog);
  assert.deepEqual(JSON.parse(readFileSync(join(folder, 'facts'), 'utf8')), { job: 'gc' });
  const warned: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => warned.push(message) };
  await runFailureHook('sleep 1000', {}, log, 50);
  await runFailureHook('exit 3', {}, log);
  await runFailureHook('/does/not/exist', {}, log);
  assert.match(warned[0] ?? '', /took too long/);
  assert.equal(warned.length, 3);
});
