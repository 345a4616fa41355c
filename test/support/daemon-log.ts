import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';

/** One line of the daemon's log as pino writes it. */
interface LogLine {
  readonly level: number;
  readonly pid?: number;
  readonly msg?: string;
}

/** How long the two files are, in bytes. */
export type LogPlace = readonly [out: number, err: number];

/** pino's number for `warn`. */
const WARN = 40;

/**
 * The log of a test's daemons, captured in two files. Any warning or error in it that was not declared by
 * `expect` fails the test, and so does anything on stderr that is no log line (a warning of Node, a stack trace).
 */
export class DaemonLog {
  readonly paths: readonly [out: string, err: string];
  readonly #expected: RegExp[] = [];
  /** What lies before it was looked at. */
  #clean: LogPlace = [0, 0];

  constructor(out: string, err: string) {
    this.paths = [out, err];
  }

  /** Declares that lines matching `pattern` are part of the test. */
  expect(pattern: RegExp): void {
    this.#expected.push(pattern);
  }

  text(): string {
    return this.paths.map((path) => readIfThere(path)).join('');
  }

  /** The last line on standard error: what a daemon says that cannot go on. */
  lastWords(): string {
    return readIfThere(this.paths[1]).trimEnd().split('\n').at(-1) ?? '';
  }

  /** Where the log ends now. */
  end(): LogPlace {
    const [out, err] = this.paths.map((path) => (existsSync(path) ? statSync(path).size : 0));
    return [out as number, err as number];
  }

  /** Whether the process has logged this message behind a place: ids of processes come again. */
  says(message: string, pid: number | undefined, { behind }: { behind: LogPlace }): boolean {
    const lines = this.paths.flatMap((path, n) => readIfThere(path, behind[n]).split('\n').map(parse));
    return lines.some((line) => line?.msg === message && line.pid === pid);
  }

  /** A number the process has logged with this message, if it did. */
  fieldOf(message: string, field: string, pid: number): number | undefined {
    const lines = this.text().split('\n').map(parse);
    const line = lines.findLast((line) => line?.msg === message && line.pid === pid) as
      | Record<string, unknown>
      | undefined;
    return line === undefined ? undefined : Number(line[field]);
  }

  /** Fails where the log holds a warning or error nobody declared. */
  assertClean(): void {
    const end = this.end();
    const [out, err] = this.paths.map((path, n) =>
      readIfThere(path, this.#clean[n], end[n])
        .split('\n')
        .filter((line) => line !== ''),
    );
    const alarming = [
      ...(out ?? []).filter((line) => (parse(line)?.level ?? 0) >= WARN),
      ...(err ?? []).filter((line) => (parse(line)?.level ?? WARN) >= WARN),
    ];
    const unexpected = alarming.filter((line) => !this.#expected.some((pattern) => pattern.test(line)));
    assert.deepEqual(unexpected, [], 'unexpected warnings or errors in the log of the daemon');
    this.#clean = end;
  }
}

function readIfThere(path: string, start = 0, end?: number): string {
  return existsSync(path) ? readFileSync(path).subarray(start, end).toString() : '';
}

function parse(line: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'level' in value ? (value as LogLine) : undefined;
  } catch {
    return undefined;
  }
}
