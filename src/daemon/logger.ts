import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import type Pino from 'pino';
import type pretty from 'pino-pretty';
import { escapeControls } from '../core/control-characters.js';
import type { Log } from '../core/log.js';

const STDERR = 2;

const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'];

/** The daemon's log on standard error: for people on a terminal, else one JSON object per line. */
export function createLogger(level: string): Log {
  const least = LEVELS.indexOf(level);
  let opened: Log | undefined;
  // Most commands have nothing to say.
  const told = (at: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    if (LEVELS.indexOf(at) < least) return;
    opened ??= openLogger(level);
    opened[at](fields, message);
  };
  return { debug: told('debug'), info: told('info'), warn: told('warn'), error: told('error') };
}

function openLogger(level: string): Log {
  const { destination, pino, stdSerializers } = load('pino') as typeof Pino;
  // Synchronous, so that the last lines before a crash are not lost; the daemon logs little.
  const stream = isatty(STDERR)
    ? (load('pino-pretty') as typeof pretty)({
        ...{ destination: STDERR, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' },
        messageFormat: (entry, key) => escapeControls(String(entry[key])),
      })
    : destination({ dest: STDERR, sync: true });
  // A log that cannot be written (full disk, closed terminal) is no reason to end the mount.
  stream.on('error', () => undefined);
  return pino({ level, base: { pid: process.pid }, serializers: { error: stdSerializers.err } }, stream);
}

/** Loaded when something is logged only: a tenth of what a short command loads. */
function load(name: 'pino' | 'pino-pretty'): unknown {
  return createRequire(import.meta.url)(name);
}
