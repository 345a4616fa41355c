// Datastores of several sizes, step by step. Called by scripts/bench-scale, which documents it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildNames } from './build.mjs';
import { shown, verdict } from './figures.mjs';
import { aroundBlock, heading, writeBlock } from './readme.mjs';
import { measureSize } from './scale-steps.mjs';

const MILLION = 1_000_000;
const RSS_BAR = { atMost: 500 };

/** What the issue demands of some steps, from which size on. */
const BARS = {
  'mount, nothing cached': { atMost: 1, files: 0 },
  'mount again': { atMost: 1, files: 0 },
  'snapshot with nothing changed': { atMost: 10, files: MILLION },
  'create beside a snapshot, p99': { atMost: 50, files: MILLION },
};

function parseCommand() {
  const options = {
    files: { type: 'string', default: '100000,1000000,10000000' },
    place: { type: 'string', default: tmpdir() },
    write: { type: 'boolean', default: false },
    'no-snapshots': { type: 'boolean', default: false },
  };
  const { values } = parseArgs({ options });
  const sizes = values.files.split(',').map(Number);
  if (sizes.some((size) => !Number.isInteger(size) || size < 1000)) {
    throw new Error(`--files: not whole numbers from 1000 up, with commas between: ${values.files}`);
  }
  return { ...values, sizes };
}

/** A bar is for one size: for the others the figure stands for itself. */
function cell(row, size) {
  if (row === undefined) return '';
  const bar = BARS[row.what];
  const isMeant = bar !== undefined && (bar.files === 0 || bar.files === size);
  const rss = row.rss === undefined ? '' : `; CPU ${shown(row.cpu)} s, ${(row.rss / 2 ** 20).toFixed(0)} MiB`;
  const over =
    row.rss !== undefined && row.rss > RSS_BAR.atMost * 2 ** 20 ? ` ${verdict(row.rss / 2 ** 20, RSS_BAR)}` : '';
  return `${shown(row.value)} ${row.unit}${isMeant ? ` ${verdict(row.value, bar)}` : ''}${rss}${over}`;
}

/** @param {Map<number, object[]>} measured rows by size */
function table(measured) {
  const sizes = [...measured.keys()];
  const whats = [...new Set([...measured.values()].flat().map(({ what }) => what))];
  const find = (size, what) => measured.get(size).find((row) => row.what === what);
  const growth = (what) => {
    const values = sizes.map((size) => find(size, what)?.value);
    const times = values.slice(1).map((value, n) => (value > 0 && values[n] > 0 ? `×${shown(value / values[n])}` : ''));
    return times.filter(Boolean);
  };
  const named = sizes.map((size) => size.toLocaleString('en'));
  const head = ['what', ...named, 'growth'];
  return [
    `| ${head.join(' | ')} |`,
    `|${' --- |'.repeat(head.length)}`,
    ...whats.map((what) => {
      const cells = sizes.map((size) => cell(find(size, what), size));
      return `| ${[what, ...cells, growth(what).join(', ')].join(' | ')} |`;
    }),
  ].join('\n');
}

async function main() {
  const { sizes, place, write, 'no-snapshots': withoutSnapshots } = parseCommand();
  // Better now than after an hour.
  if (write) aroundBlock('bench-scale');
  const folder = mkdtempSync(join(place, 'cairn-bench-scale-'));
  const say = (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
  const measured = new Map();
  try {
    const names = buildNames(folder);
    for (const size of sizes)
      measured.set(size, await measureSize(folder, names, size, { say, withSnapshots: !withoutSnapshots }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
    if (measured.size > 0) console.log(table(measured));
  }
  const about =
    'Files and as many chunks in one store; seconds, then the daemon’s CPU seconds and peak memory (within 500 MiB where nothing is said).';
  if (write) writeBlock('bench-scale', [heading('scripts/bench-scale'), '', about, '', table(measured)].join('\n'));
}

await main().catch((error) => {
  console.error(`bench-scale: ${error.message}`);
  process.exitCode = 1;
});
