import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import { destination, pino, stdSerializers } from 'pino';
import type pretty from 'pino-pretty';
import type { Log } from '../core/log.js';

const STDERR = 2;

/** The daemon's log on standard error: for people on a terminal, else one JSON object per line. */
export function createLogger(level: string): Log {
  // Synchronous, so that the last lines before a crash are not lost; the daemon logs little.
  const stream = isatty(STDERR)
    ? loadPretty()({ destination: STDERR, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' })
    : destination({ dest: STDERR, sync: true });
  // A log that cannot be written (full disk, closed terminal) is no reason to end the mount.
  stream.on('error', () => undefined);
  return pino({ level, base: { pid: process.pid }, serializers: { error: stdSerializers.err } }, stream);
}

/** Loaded on terminals only: a tenth of what a short command loads. */
function loadPretty(): typeof pretty {
  return createRequire(import.meta.url)('pino-pretty') as typeof pretty;
}
