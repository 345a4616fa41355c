// Turns the figures of scripts/bench into a Markdown table.

/** What the figures are held against (issue "The main job"); ratios are of Cairn to the other, with durability. */
const BARS = {
  small: { bindfs: 0.7 },
  large: { ext4: 3.5, bindfs: 0.4 },
  duplicate: { ext4: 2.5 },
  unchanged: { bindfs: 1 },
  'find, cold': { ext4: 2.5 },
  'find, warm': { ext4: 2.5 },
  'read back small, cold': { ext4: 2.5 },
  'read back large, cold': { ext4: 2.5 },
};

const TITLES = {
  'small, until rsync ends': 'rsync of 20,000 small files, until rsync ends',
  small: 'the same, until it is durable',
  'large, until rsync ends': 'rsync of a 1 GiB file, until rsync ends',
  large: 'the same, until it is durable',
  'duplicate, until rsync ends': 'the 1 GiB file once more under another name, until rsync ends',
  duplicate: 'the same, until it is durable',
  unchanged: 'rsync of the small files again, nothing changed',
  snapshot: 'snapshot of the small files',
  'find, cold': '`find -printf` of all stat fields, 20,000 files, cold (Cairn: in a snapshot)',
  'find, warm': 'the same again, warm',
  'read back small, cold': 'reading the small files, cold (Cairn: from a snapshot)',
  'read back large, cold': 'reading the 1 GiB file, cold (Cairn: from a snapshot)',
};

const sorted = (values) => [...values].sort((a, b) => a - b);

function median(values) {
  const ordered = sorted(values);
  const middle = ordered.length >> 1;
  return ordered.length % 2 === 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
}

/** `min – median – max`, or the one value there is. */
function spread(values, digits) {
  if (values === undefined || values.length === 0) return '';
  const shown = [Math.min(...values), median(values), Math.max(...values)].map((value) => value.toFixed(digits));
  return values.length === 1 ? shown[0] : shown.join(' – ');
}

/** Ratios round by round, so that a change of the machine's speed between rounds cancels out. */
function ratios(workload, figures, other) {
  const [ours, theirs] = [figures.cairn?.[workload], figures[other]?.[workload]];
  return ours && theirs ? ours.map((value, round) => value / theirs[round]) : undefined;
}

function ratioCell(workload, figures, other) {
  const values = ratios(workload, figures, other);
  if (values === undefined) return '';
  const bar = BARS[workload]?.[other];
  const verdict = bar === undefined ? '' : ` (${median(values) <= bar ? 'within' : '**above**'} ${bar})`;
  return `${spread(values, 2)}${verdict}`;
}

function row(workload, figures) {
  const seconds = ['cairn', 'ext4', 'bindfs'].map((system) => spread(figures[system]?.[workload], 2));
  const compared = ['ext4', 'bindfs'].map((other) => ratioCell(workload, figures, other));
  return `| ${[TITLES[workload], ...seconds, ...compared].join(' | ')} |`;
}

function sentences({ peakMemoryBytes, millionMountSeconds, shuffledShare, storedShare }) {
  const within = (good) => (good ? 'within' : '**above**');
  const mebibytes = peakMemoryBytes / 2 ** 20;
  return [
    `- Peak memory of the daemon (VmHWM) over all rounds: ${mebibytes.toFixed(0)} MiB (${within(mebibytes < 500)} 500).`,
    `- A store with 1,000,000 files is mounted ${spread(millionMountSeconds, 2)} s after the process starts (${within(Math.max(...millionMountSeconds) < 1)} 1).`,
    `- A second copy of the small files, in shuffled order and in another group, with its snapshot, adds ${(shuffledShare * 100).toFixed(2)} % to the chunks (${within(shuffledShare < 0.02)} 2 %).`,
    `- Chunks of one copy of each tree take ${(storedShare * 100).toFixed(0)} % of the files' size.`,
  ];
}

/**
 * The whole block for README.md.
 * @param {Record<string, Record<string, number[]>>} figures system → workload → seconds, one for each round
 * @param {object} extras what is no time of a workload
 * @param {string} heading one line: where, when, which commit
 */
export function report(figures, extras, heading) {
  const rounds = figures.cairn.small.length;
  const workloads = Object.keys(TITLES).filter((workload) => figures.cairn[workload] !== undefined);
  return [
    heading,
    '',
    `Seconds, ${rounds === 1 ? 'one round' : `min – median – max of ${rounds} interleaved rounds`}; ratios are Cairn's time to the other's.`,
    '',
    '| what | Cairn | ext4 | bindfs | Cairn / ext4 | Cairn / bindfs |',
    '| --- | --- | --- | --- | --- | --- |',
    ...workloads.map((workload) => row(workload, figures)),
    '',
    ...sentences(extras),
  ].join('\n');
}
