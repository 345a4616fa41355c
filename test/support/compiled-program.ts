import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { outputOf } from './commands.js';

/** Sources are not compiled into dist/, so they are reached from dist/test/support through the checkout. */
const SOURCES = fileURLToPath(new URL('../../../test/', import.meta.url));
const COMPILED = fileURLToPath(new URL('./programs/', import.meta.url));

/**
 * Compiles the C files of the folder test/support/programs/`name`, if they changed since it was last done, and returns
 * the program's path. May be called by several test files at once.
 */
export function compiledProgram(name: string): string {
  return compiled(join(SOURCES, 'support/programs', name), name, []);
}

/** As `compiledProgram`, of test/`folder`: a shared library that other programs are started with. */
export function compiledLibrary(folder: string, name: string): string {
  return compiled(join(SOURCES, folder), `${name}.so`, ['-shared', '-fPIC']);
}

function compiled(folder: string, name: string, options: readonly string[]): string {
  const sources = readdirSync(folder).map((file) => join(folder, file));
  const program = join(COMPILED, name);
  if (existsSync(program) && sources.every((file) => statSync(file).mtimeMs < statSync(program).mtimeMs))
    return program;
  mkdirSync(COMPILED, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  const code = sources.filter((file) => file.endsWith('.c'));
  outputOf('cc', ['-O2', '-Wall', '-Wextra', '-Werror', ...options, '-o', fresh, ...code]);
  renameSync(fresh, program);
  return program;
}
