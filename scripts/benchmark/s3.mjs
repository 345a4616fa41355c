// A datastore in front of a bucket. Called by scripts/bench-s3, which documents it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startS3Server } from '../test-s3-server.mjs';
import { median, shown, spread, verdict } from './figures.mjs';
import { aroundBlock, heading, writeBlock } from './readme.mjs';
import { countedRound, timedRound } from './s3-rounds.mjs';

const BARS = { large: { atLeast: 0.7 }, small: { atLeast: 0.8 }, listing: { atMost: 2 } };
const QUICK = { rounds: 1, mib: 128, files: 1000 };
const COUNTED = { mib: 256, files: 2000 };
const GB = 1e9;
const MIB = 2 ** 20;

function parseCommand() {
  const flag = { type: 'boolean', default: false };
  const text = { type: 'string' };
  const options = { quick: flag, write: flag, 'counts-only': flag, rounds: text, mib: text, files: text, place: text };
  const { values } = parseArgs({ options });
  const sizes = values.quick ? QUICK : { rounds: 3, mib: 512, files: 5000 };
  for (const name of Object.keys(sizes)) {
    if (values[name] === undefined) continue;
    sizes[name] = Number(values[name]);
    if (!Number.isInteger(sizes[name]) || sizes[name] < 1) throw new Error(`--${name}: not a number: ${values[name]}`);
  }
  return { ...sizes, place: values.place ?? tmpdir(), write: values.write, countsOnly: values['counts-only'] };
}

/** Lines of the table of times, and whether all bars hold. */
function timesOf(rounds, { mib, files }) {
  const each = (figure) => rounds.map(figure);
  const rate = (seconds) => (mib * MIB) / 1e6 / seconds;
  const cpu = ({ busy }) => (busy * GB) / (mib * MIB);
  const largeRows = (what, ours, plain) => [
    [
      `${what}, MB/s`,
      (r) => rate(r[ours].seconds),
      (r) => rate(r[plain].seconds),
      (r) => r[plain].seconds / r[ours].seconds,
      BARS.large,
    ],
    ['… CPU seconds of the machine per GB', (r) => cpu(r[ours]), (r) => cpu(r[plain]), undefined, undefined],
  ];
  const rows = [
    ...largeRows('large files into the bucket', 'put', 'puts'),
    ...largeRows('out of it, empty cache', 'cold', 'gets'),
    ['out of it again, MB/s', (r) => rate(r.warm), undefined, undefined, undefined],
    [
      `${files} small files, files/s`,
      (r) => r.smallRemote,
      (r) => r.smallLocal,
      (r) => r.smallRemote / r.smallLocal,
      BARS.small,
    ],
    ['`ls -lR` of a snapshot after attach, s', (r) => r.listing, (r) => r.listed, undefined, undefined],
    ['… beyond getting its metadata, s', (r) => Math.max(0, r.listing - r.listed), undefined, undefined, BARS.listing],
    ['attach and mount, s', (r) => r.attach, undefined, undefined, undefined],
    ['peak memory of the daemon, MiB', (r) => r.peakBytes / MIB, undefined, undefined, undefined],
  ];
  const held = [];
  const lines = rows.map(([what, ours, theirs, ratio, bar]) => {
    const judged = bar && median(each(ratio ?? ours));
    if (bar !== undefined)
      held.push(judged >= (bar.atLeast ?? 0) && judged <= (bar.atMost ?? Number.POSITIVE_INFINITY));
    const cells = [ours, theirs, ratio].map((figure) => (figure === undefined ? '' : spread(each(figure))));
    return `| ${[what, ...cells, bar === undefined ? '' : verdict(judged, bar)].join(' | ')} |`;
  });
  const head = ['| what | Cairn | beside it | ratio | bar |', '| --- | --- | --- | --- | --- |'];
  return { lines: [...head, ...lines], isMet: !held.includes(false) };
}

function countLines({ counts, chunks }) {
  const large = GB / (COUNTED.mib * MIB);
  const small = 1000 / COUNTED.files;
  const rows = [
    ['a GB of large files put', counts.putLarge, large],
    ['a GB put that is there', counts.putAgain, large],
    ['1,000 small files put, with a snapshot', counts.putSmall, small],
    ['a snapshot with nothing changed', counts.snapshot, 1],
    [`attach to ${chunks} chunks, and mount`, counts.attach, 1],
    ['`ls -lR` of the snapshot', counts.listing, 1],
    ['a GB read, not here', counts.getLarge, large],
    ['1,000 small files read, not here', counts.getSmall, small],
    ['… and read again', counts.getAgain, small],
    ['a collection that finds nothing', counts.gc, 1],
  ];
  const methods = ['PUT', 'GET', 'HEAD', 'POST', 'DELETE'];
  const cell = (count = 0, by) => (count === 0 ? '' : shown(count * by));
  return [
    `| requests for | ${methods.join(' | ')} |`,
    `|${' --- |'.repeat(methods.length + 1)}`,
    ...rows.map(
      ([what, found, by]) => `| ${[what, ...methods.map((method) => cell(found[method], by))].join(' | ')} |`,
    ),
  ];
}

async function main() {
  const { rounds, mib, files, place, write, countsOnly } = parseCommand();
  if (write) aroundBlock('bench-s3');
  const server = startS3Server();
  Object.assign(process.env, server.env);
  const folder = mkdtempSync(join(place, 'cairn-bench-s3-'));
  try {
    const endpoint = process.env.CAIRN_TEST_S3_ENDPOINT;
    if (endpoint === undefined) throw new Error('there is no S3 server: see scripts/rgw');
    const counted = countLines(await countedRound(folder, { endpoint, ...COUNTED }));
    console.log(counted.join('\n'));
    if (countsOnly) return;
    const found = [];
    for (let n = 0; n < rounds; n += 1) {
      console.error(`round ${n + 1} of ${rounds}`);
      found.push(await timedRound(folder, { endpoint, mib, files, n }));
    }
    const { lines, isMet } = timesOf(found, { mib, files });
    console.log(`\n${lines.join('\n')}`);
    const about = `Ceph RGW on the same machine; ${mib} MiB of large files, ${rounds} rounds; beside it: plain SDK requests for the same objects, 16 at a time, and for small files a local datastore.`;
    if (write)
      writeBlock('bench-s3', [heading('scripts/bench-s3'), '', about, '', ...lines, '', ...counted].join('\n'));
    if (!isMet) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
    server.stop();
  }
}

await main().catch((error) => {
  console.error(`bench-s3: ${error.message}`);
  process.exitCode = 1;
});
