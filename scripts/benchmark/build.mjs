// Compiles the C programs the benchmarks use.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled, run } from './processes.mjs';

const NAMES = fileURLToPath(new URL('names.c', import.meta.url));
const SLOW_SYNC = fileURLToPath(new URL('slow-sync.c', import.meta.url));
const PASSTHROUGH = '/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c';

/** The program that makes, stats and removes names. @returns its path */
export function buildNames(folder) {
  const program = join(folder, 'names');
  run('cc', ['-O2', '-Wall', '-o', program, NAMES]);
  return program;
}

/** libfuse's example, as Debian has it. @returns its path, undefined where it cannot be had */
export function buildPassthrough(folder) {
  if (!existsSync(PASSTHROUGH) || !isInstalled('pkg-config')) return undefined;
  const program = join(folder, 'passthrough_ll');
  const flags = run('pkg-config', ['fuse3', '--cflags', '--libs']).trim().split(/\s+/);
  run('cc', ['-O2', '-o', program, PASSTHROUGH, ...flags]);
  return program;
}

/** The library that makes each fsync of a program take 10 ms longer. @returns its path */
export function buildSlowSync(folder) {
  const library = join(folder, 'slow-sync.so');
  run('cc', ['-O2', '-Wall', '-shared', '-fPIC', '-o', library, SLOW_SYNC]);
  return library;
}
