import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';

/** One line of the daemon's log as pino writes it. */
interface LogLine {
  readonly level: number;
  readonly pid?: number;
  readonly msg?: string;
}

/** pino's number for `warn`. */
const WARN = 40;

/**
 * The log of a test's daemons, captured in two files. Any warning or error in it that was not declared by
 * `expect` fails the test, and so does anything on stderr that is no log line (a warning of Node, a stack trace).
 */
export class DaemonLog {
  readonly paths: readonly [out: string, err: string];
  readonly #expected: RegExp[] = [];

  constructor(out: string, err: string) {
    this.paths = [out, err];
  }

  /** Declares that lines matching `pattern` are part of the test. */
  expect(pattern: RegExp): void {
    this.#expected.push(pattern);
  }

  text(): string {
    return this.paths.map(readIfThere).join('');
  }

  /** The last line on standard error: what a daemon says that cannot go on. */
  lastWords(): string {
    return readIfThere(this.paths[1]).trimEnd().split('\n').at(-1) ?? '';
  }

  /** Whether the process has logged this message. */
  says(message: string, pid: number | undefined): boolean {
    const lines = this.text().split('\n').map(parse);
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
    const [out, err] = this.paths.map((path) =>
      readIfThere(path)
        .split('\n')
        .filter((line) => line !== ''),
    );
    const alarming = [
      ...(out ?? []).filter((line) => (parse(line)?.level ?? 0) >= WARN),
      ...(err ?? []).filter((line) => (parse(line)?.level ?? WARN) >= WARN),
    ];
    const unexpected = alarming.filter((line) => !this.#expected.some((pattern) => pattern.test(line)));
    assert.deepEqual(unexpected, [], 'unexpected warnings or errors in the log of the daemon');
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function parse(line: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'level' in value ? (value as LogLine) : undefined;
  } catch {
    return undefined;
  }
}
