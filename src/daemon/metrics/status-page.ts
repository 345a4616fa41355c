import type { Status } from '../../control/commands.js';

/** The state of a mount as a page for a browser: plain, without scripts, all text escaped. */
export function statusPage(status: Status): string {
  const problems = status.problems.map(({ kind, message }) => [kind, message]);
  const jobs = status.schedule.map(({ job, group, when, running, nextRunAt, last }) => [
    group === null ? job : `${job} ${group}`,
    when,
    running ? 'running' : shownTime(nextRunAt),
    last === null ? 'not yet' : `${shownTime(last.endedAt)} ${last.outcome}: ${last.message}`,
  ]);
  const { inserts, reuses, loads, plainBytes, encodedBytes } = status.chunks;
  const facts = [
    ['Datastore', status.store],
    ['Mounted on', status.mountpoint],
    ['Group', status.group ?? 'all'],
    ['Mode', status.readOnly ? 'read-only' : 'read and write'],
    ['Daemon', `process ${status.pid}, cairn ${status.version}, since ${shownTime(status.startedAt)}`],
    ['Memory', `${status.memoryBytes} bytes`],
    ['Not durable', `${status.dirtyBytes} bytes`],
    [
      'Verified',
      status.oldestVerifiedAt === 0 ? 'not all chunks yet' : `all since ${shownTime(status.oldestVerifiedAt)}`,
    ],
    ['Chunks written', `${inserts}, ${plainBytes} bytes as ${encodedBytes}`],
    ['Chunks reused', `${reuses}`],
    ['Chunks read', `${loads}`],
    ['Requests', `${Object.values(status.requests).reduce((sum, count) => sum + count, 0)}`],
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(status.store)} – cairn</title>
<style>body{font:15px/1.5 sans-serif;margin:2em}td,th{text-align:left;padding:.1em 1em .1em 0;vertical-align:top}</style>
<h1>${escaped(status.store)}</h1>
${table([], facts)}
<h2>Problems</h2>
${problems.length === 0 ? '<p>none</p>' : table(['Kind', 'Problem'], problems)}
<h2>Jobs</h2>
${table(['Job', 'When', 'Next', 'Last'], jobs)}
<p><a href="/metrics">metrics</a></p>
</html>
`;
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  const head = headings.length === 0 ? '' : row(headings, 'th');
  return `<table>${head}${rows.map((cells) => row(cells, 'td')).join('\n')}</table>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

function shownTime(seconds: number | null): string {
  return seconds === null ? '' : new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}
