// Exits 0 where node_modules is what package-lock.json asks for and its compiled parts load in this Node,
// so that `scripts/setup` need not spend minutes on `npm ci`. Otherwise exits 1 with the reason on stdout.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @returns {Record<string, { version?: string, integrity?: string, optional?: boolean, os?: string[], cpu?: string[] }>} */
function packagesOf(path) {
  const packages = { ...JSON.parse(readFileSync(path, 'utf8')).packages };
  delete packages[''];
  return packages;
}

/** The first difference between what is locked and what is installed, or undefined. */
function difference(locked, installed) {
  for (const [path, wanted] of Object.entries(locked)) {
    const found = installed[path];
    // For another system; what is optional beside that is installed everywhere.
    if (found === undefined && wanted.optional && (wanted.os || wanted.cpu)) continue;
    if (found?.version !== wanted.version || found?.integrity !== wanted.integrity) return path;
  }
  return Object.keys(installed).find((path) => locked[path] === undefined);
}

function reason() {
  let installed;
  try {
    installed = packagesOf(`${root}node_modules/.package-lock.json`);
  } catch {
    return 'no packages are installed';
  }
  const differing = difference(packagesOf(`${root}package-lock.json`), installed);
  if (differing !== undefined) return `${differing} is not as locked`;
  try {
    const Database = createRequire(`${root}package.json`)('better-sqlite3');
    new Database(':memory:').close();
  } catch (error) {
    return `better-sqlite3 does not load (${error.message.split('\n')[0]})`;
  }
  return undefined;
}

const why = reason();
if (why !== undefined) {
  console.log(why);
  process.exitCode = 1;
}
