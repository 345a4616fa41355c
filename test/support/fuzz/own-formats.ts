import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { catalogCondition } from '../../../src/catalog/copy-catalog.js';
import { createCatalog, openCatalog } from '../../../src/catalog/open.js';
import { openCatalogReader } from '../../../src/catalog/open-reader.js';
import { parseDuration } from '../../../src/cli/duration.js';
import { CairnError } from '../../../src/core/errors.js';
import { unpackCatalogCopy } from '../../../src/daemon/catalog-copies/copy-files.js';
import { readGcRecord } from '../../../src/daemon/gc-record.js';
import { wasInterrupted } from '../../../src/daemon/rebuild/set-aside.js';
import { readLastRuns } from '../../../src/daemon/schedule/stored-schedule.js';
import { checkWhen, jitterMs, nextTime } from '../../../src/daemon/schedule/when.js';
import { readAnnouncement } from '../../../src/datastore/announcement.js';
import { formatConfig, readConfig } from '../../../src/datastore/config.js';
import type { DatastorePaths } from '../../../src/datastore/paths.js';
import { readSettings } from '../../../src/datastore/settings.js';
import { FILE, make, makeGroup } from '../catalog.js';
import { damaged, damagedInPlace } from './damage.js';
import type { FuzzTarget } from './run.js';
import { otherJson } from './text-formats.js';

const CONFIG = {
  ...{ format: 1, uuid: '0b6d7c4e-9a1f-4c3e-8d52-6f1a2b3c4d5e', created: '2026-11-20T10:00:00Z', prefixDigits: 2 },
  ...{ verifyNew: false, gcGraceSeconds: 60 },
} as const;
const SETTINGS = {
  schedules: { gc: '0 3 * * *', 'snapshot host/web1': '@daily' },
  prune: { 'host/web1': { last: 3, daily: 7 } },
  onFailure: 'mail root',
};
const ANNOUNCEMENT = { pid: 77, socket: '/run/cairn/a.sock', mountpoints: ['/mnt/a'], group: null };
const LAST_GC = { startedAt: 1.5, endedAt: 2.5, error: null, report: null };
const LAST_RUNS = { gc: { startedAt: 1, endedAt: 2, outcome: 'ok', message: '' } };
const REBUILDING = { number: 1, isDone: true };

/** What is kept in `.cairn` as JSON: config, settings, announcement, records of jobs, the mark of a rebuilding. */
export function ownFiles(paths: DatastorePaths): FuzzTarget {
  return {
    name: 'own-files',
    share: 0.1,
    refusals: ['corrupt', 'unsupported'],
    outerRefusal: /not JSON/,
    make(random) {
      const [path, value, use] = random.pick([
        [paths.config, CONFIG, () => void formatConfig(readConfig(paths))],
        [paths.settings, SETTINGS, () => void readSettings(paths)],
        [paths.lock, ANNOUNCEMENT, () => void readAnnouncement(paths)],
        [paths.gcRecord, LAST_GC, () => readGcRecord(paths.gcRecord)],
        [paths.scheduleState, LAST_RUNS, () => void readLastRuns(paths)],
        [paths.rebuilding, REBUILDING, () => void wasInterrupted(paths)],
      ] as [string, unknown, () => unknown][]);
      const { text, repaired } = otherJson(random, value);
      const feed = async () => {
        writeFileSync(path, text);
        await use();
      };
      return { repaired, input: text, feed };
    },
  };
}

const TIMES = ['0 3 * * *', '*/5 0-6 1,15 * 1-5', 'daily', 'never', 'after-snapshot', '0 0 29 2 *', '59 23 31 12 7'];
const SPANS = ['90m', '24h', '7d', '0', '1.5w', '3 s'];
const CRON_CHARACTERS = /[^0-9*/,\- ]/g;
const NOW_MS = Date.UTC(2026, 10, 21);

/** Times of schedules and time spans, as people write them; repaired, they have the characters of one. */
const times: FuzzTarget = {
  name: 'times',
  refusals: ['invalid'],
  make(random) {
    const isSpan = random.below(4) === 0;
    const input = damaged(random, Buffer.from(random.pick(isSpan ? SPANS : TIMES)));
    const repaired = random.below(3) > 0;
    const text = repaired ? input.toString('latin1').replace(CRON_CHARACTERS, '1') : input.toString('latin1');
    const feed = () => {
      if (isSpan) return readSpan(text);
      checkWhen('prune', text);
      nextTime(text, NOW_MS);
      jitterMs('seed', text, NOW_MS);
    };
    return { repaired, input: Buffer.from(text), feed };
  },
};

function readSpan(text: string): void {
  try {
    parseDuration(text);
  } catch (error) {
    // What the command line refuses an argument with.
    if ((error as { code?: string }).code !== 'commander.invalidArgument') throw error;
    throw new CairnError('invalid', 'not a time span');
  }
}

export const OWN_FORMATS: readonly FuzzTarget[] = [times];

/** What of a database says how it is to be read. */
const SQLITE_HEADER_BYTES = 100;
const SQLITE_ERROR = /^SQLITE_/;

/** Catalogs, packed as copies of them are. Repaired, the pack is whole and the database's header, too. */
export function catalogCopies(paths: DatastorePaths): FuzzTarget {
  const whole = wholeCatalog(paths.catalog);
  mkdirSync(paths.catalogCopies, { recursive: true });
  const copy = { name: 'copy.db.gz', madeAt: 0, appliedSequence: 0, bytes: 0 };
  return {
    name: 'catalog-copy',
    share: 0.02,
    refusals: ['corrupt', 'unsupported', 'io'],
    outerRefusal: /The copy .* is damaged/,
    make(random) {
      const repaired = random.below(4) > 0;
      const header = whole.subarray(0, SQLITE_HEADER_BYTES);
      const pages = damagedInPlace(random, whole.subarray(SQLITE_HEADER_BYTES));
      const packed = gzipSync(Buffer.concat([header, pages]), { level: 1 });
      const input = repaired ? packed : damaged(random, packed);
      const feed = async () => {
        for (const suffix of ['', '-wal', '-shm']) rmSync(`${paths.catalog}${suffix}`, { force: true });
        writeFileSync(`${paths.catalogCopies}/${copy.name}`, input);
        await unpackCatalogCopy(paths.catalogCopies, copy, paths.catalog);
        const condition = await catalogCondition(paths.catalog);
        if (condition.kind !== 'whole') throw new CairnError('corrupt', 'The catalog is damaged');
        readAll(paths.catalog);
      };
      return { repaired, input, feed };
    },
  };
}

function wholeCatalog(path: string): Buffer {
  rmSync(path, { force: true });
  createCatalog(path, { seconds: 1, nanoseconds: 2 });
  const catalog = openCatalog(path);
  catalog.transactions.begin();
  const current = makeGroup(catalog, 'web1');
  for (let number = 0; number < 200; number += 1) make(catalog, current, `file ${number}`, FILE);
  catalog.transactions.commit(1);
  catalog.close();
  return readFileSync(path);
}

/** What SQLite calls whole may still contradict itself: then reading ends with an error of SQLite's or ours. */
function readAll(path: string): void {
  const reader = openCatalogReader(path);
  try {
    for (const { id, currentIno } of reader.groups.list()) {
      reader.snapshots.list(id);
      for (const { ino } of reader.names.entries(currentIno, 0, 1000)) reader.names.pathOf(ino);
    }
    for (const found of reader.consistency.disagreements()) if (found.length > 0) return;
  } catch (error) {
    if (!SQLITE_ERROR.test((error as { code?: string }).code ?? '')) throw error;
  } finally {
    reader.close();
  }
}
