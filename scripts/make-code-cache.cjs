// Runs dist/program/main.js with the arguments given and keeps what V8 compiled for it (scripts/program-start.cjs), together
// with what it was given to begin with: make-code-cache.cjs ARGUMENT...
'use strict';

const { renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const start = require('../dist/program/start.js');

process.argv[1] = join(__dirname, '..', 'dist', 'program', 'main.js');
const { script, codeCache } = start('main');
process.on('exit', () => {
  const making = `${codeCache}.${process.pid}`;
  writeFileSync(making, script.createCachedData());
  renameSync(making, codeCache);
});
