import { createRequire } from 'node:module';
import type Table from 'cli-table3';
import prettyBytes from 'pretty-bytes';
import { escapeControls } from '../core/control-characters.js';

/** Prints a line of a command's result for people: it stays one line, and steers no terminal, whatever names it holds. */
export function print(line: string): void {
  process.stdout.write(`${escapeControls(line)}\n`);
}

/** Says on standard error, in one line as `print` does, what is wrong. */
export function complain(line: string): void {
  process.stderr.write(`cairn: ${escapeControls(line)}\n`);
}

/** Prints a result for machines: one JSON value. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Prints one of many values for machines: a line of JSON. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Prints rows under their headings, without lines; the last column is not padded. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const none = Object.fromEntries(
    [
      ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
      ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
    ].map((place) => [place, '']),
  );
  const table = new (loadTables())({
    head: [...headings],
    chars: { ...none, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(...rows.map((row) => row.map(escapeControls)));
  for (const line of table.toString().split('\n')) print(line.trimEnd());
}

/** Loaded where something is listed only. */
function loadTables(): typeof Table {
  return createRequire(import.meta.url)('cli-table3') as typeof Table;
}

/** Bytes for people, e.g. `1.5 MiB`. */
export function shownBytes(bytes: number): string {
  return prettyBytes(bytes, { binary: true });
}

/** A time span for people, e.g. `2 h 5 min`. */
export function shownSeconds(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
