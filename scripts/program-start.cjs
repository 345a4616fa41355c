// What each program in dist/program begins with (scripts/bundle.mjs puts this file there): the text of all programs is one
// file, and V8 is given what it made of that text when it was built instead of compiling it anew. Node 20 offers that for
// scripts only, not for modules.
'use strict';

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { constants, Script } = require('node:vm');

const BUNDLE = join(__dirname, 'BUNDLE_NAME');
const CODE_CACHE = `${BUNDLE}.cache`;

/** V8 itself refuses what another version or other flags of it made, and compiles. */
function codeCache() {
  try {
    return readFileSync(CODE_CACHE);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Runs the program of this name. @returns the script, which knows what was compiled by and by, and where its cache belongs */
function start(name) {
  const script = new Script(readFileSync(BUNDLE, 'utf8'), {
    filename: BUNDLE,
    cachedData: codeCache(),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const bundle = { exports: {} };
  script.runInThisContext()(require, bundle, bundle.exports, BUNDLE);
  bundle.exports[name]();
  return { script, codeCache: CODE_CACHE };
}

module.exports = start;
