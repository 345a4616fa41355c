// Turns figures into the block for README.md.
import { median, ratios, spread, verdict } from './figures.mjs';
import { DIRECT_ROWS, MOUNT_ROWS } from './rows.mjs';

const BEST = { 'best of restic and borg': ['restic', 'borg'] };

const MOUNT_SYSTEMS = ['cairn', 'cairn --low-latency', 'ext4', 'passthrough_ll', 'bindfs', 'btrfs', 'zfs-fuse'];
const DIRECT_SYSTEMS = ['cairn', 'ext4 (cp -a)', 'restic', 'borg', 'bup'];

/** Values by round of one system and figure. */
class Figures {
  #values = new Map();

  /** @param trials with `system`, `round` and `figures` */
  constructor(trials) {
    for (const { system, round, figures } of trials) {
      for (const [key, value] of Object.entries(figures ?? {})) {
        const name = `${system}\n${key}`;
        if (!this.#values.has(name)) this.#values.set(name, new Map());
        this.#values.get(name).set(round, value);
      }
    }
  }

  /** @returns {Map<number, number>} empty where nothing was measured */
  of(system, key) {
    return this.#values.get(`${system}\n${key}`) ?? new Map();
  }

  /** The least of several systems, round by round. */
  least(systems, key) {
    const least = new Map();
    for (const system of systems) {
      for (const [round, value] of this.of(system, key)) {
        least.set(round, Math.min(value, least.get(round) ?? Number.POSITIVE_INFINITY));
      }
    }
    return least;
  }
}

function judged(figures, { key, title, unit, bars }, systems) {
  const cells = systems.map((system) => spread([...figures.of(system, key).values()]));
  const ours = figures.of('cairn', key);
  const held = bars.map((bar) => heldAgainst(figures, ours, key, bar)).filter((text) => text !== undefined);
  const compared = bars.some(({ against }) => against === 'ext4') ? [] : besideExt4(figures, ours, key, unit, systems);
  return `| ${[unit === '' ? title : `${title}, ${unit}`, ...cells, [...held, ...compared].join('; ')].join(' | ')} |`;
}

function heldAgainst(figures, ours, key, bar) {
  const note = bar.note === undefined ? '' : `: ${bar.note}`;
  if (bar.against === undefined) {
    // Every round has to keep what is no ratio.
    const worst = bar.atMost === undefined ? Math.min(...ours.values()) : Math.max(...ours.values());
    return ours.size === 0 ? undefined : `${verdict(worst, bar)}${note}`;
  }
  const theirs = BEST[bar.against] ? figures.least(BEST[bar.against], key) : figures.of(bar.against, bar.as ?? key);
  const found = ratios(ours, theirs);
  return found.length === 0 ? undefined : `${bar.against} ${spread(found)} ${verdict(median(found), bar)}${note}`;
}

/** Where no bar says so: the ratio to ext4, for the reader. */
function besideExt4(figures, ours, key, unit, systems) {
  if (!systems.includes('ext4') || !['s', '/s', 'MB/s'].includes(unit)) return [];
  const found = ratios(ours, figures.of('ext4', key));
  return found.length === 0 ? [] : [`ext4 ${spread(found)}`];
}

/** One table: rows of which anything was measured, systems of which anything was. */
function table(figures, rows, systems) {
  const shown = systems.filter((system) => rows.some(({ key }) => figures.of(system, key).size > 0));
  const filled = rows.filter(({ key }) => shown.some((system) => figures.of(system, key).size > 0));
  if (filled.length === 0) return [];
  const head = ['what', ...shown, 'Cairn’s figure to that of others'];
  return [
    `| ${head.join(' | ')} |`,
    `|${' --- |'.repeat(head.length)}`,
    ...filled.map((one) => judged(figures, one, shown)),
    '',
  ];
}

/**
 * The whole block.
 * @param {object[]} trials each with `family`, `system`, `round`, and `figures` or `failed`
 * @param {Map<string, string>} lacking systems that were left out, and why
 * @param {string} heading one line: where, when, which commit
 */
export function report(trials, lacking, heading) {
  const figures = new Figures(trials);
  const rounds = 1 + Math.max(...trials.map(({ round }) => round));
  const failed = trials.filter((trial) => trial.failed !== undefined);
  return [
    heading,
    '',
    `${rounds === 1 ? 'One round' : `Min – median – max of ${rounds} interleaved rounds`}; what Cairn is held against in brackets, by the median of the ratios of the rounds.`,
    '',
    ...section('Through a mount:', table(figures, MOUNT_ROWS, MOUNT_SYSTEMS)),
    ...section('Without a mount:', table(figures, DIRECT_ROWS, DIRECT_SYSTEMS)),
    ...[...lacking].map(([system, why]) => `- Left out: ${system} (${why}).`),
    ...failed.map(
      ({ family, system, round, failed: why }) => `- Failed in round ${round + 1}: ${family} on ${system}: ${why}`,
    ),
  ]
    .join('\n')
    .trimEnd();
}

const section = (title, lines) => (lines.length === 0 ? [] : [title, '', ...lines]);
