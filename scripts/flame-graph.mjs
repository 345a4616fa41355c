// Turns `perf script -F comm,tid,ip,sym` on standard input into FOLDER/stacks.txt and FOLDER/flame-graph.svg.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const WIDTH = 1600;
const ROW = 17;
/** Narrower boxes are left out, pixels. */
const LEAST = 0.3;
const CHARACTER = 6.6;
const TOP = 25;

/** Samples by stack: `thread;outermost;…;innermost`. */
async function readStacks(input) {
  const stacks = new Map();
  let thread;
  let frames = [];
  const end = () => {
    if (thread === undefined) return;
    const stack = [thread, ...frames.reverse()].join(';');
    stacks.set(stack, (stacks.get(stack) ?? 0) + 1);
    thread = undefined;
    frames = [];
  };
  for await (const line of createInterface({ input })) {
    if (line.trim() === '') end();
    else if (!/^\s+[0-9a-f]+ /.test(line)) thread = line.trim().replace(/\s+\d+:?\s*$/, '');
    else if (thread !== undefined) frames.push(nameOf(line.trim().replace(/^[0-9a-f]+ /, '')));
  }
  end();
  return stacks;
}

/** V8 writes `JS:*name file:///…/x.js:1:2`; the sign says how far it was compiled. */
function nameOf(symbol) {
  const script = /^(?:JS|LazyCompile|Function|Eval|Script):([*~^+]?)(\S*) (\S+)$/.exec(symbol);
  if (script === null) return symbol.replaceAll(';', ':');
  const [, compiled, name, place] = script;
  return `${name || '(anonymous)'} ${place.replace(/^.*\/(dist|node_modules)\//, '')}${compiled === '~' ? ' (interpreted)' : ''}`;
}

function treeOf(stacks) {
  const root = { name: 'all', samples: 0, below: new Map() };
  for (const [stack, samples] of stacks) {
    let node = root;
    node.samples += samples;
    for (const name of stack.split(';')) {
      let next = node.below.get(name);
      if (next === undefined) {
        next = { name, samples: 0, below: new Map() };
        node.below.set(name, next);
      }
      next.samples += samples;
      node = next;
    }
  }
  return root;
}

function escaped(text) {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Kernel and libraries in one hue, V8's and our functions in others. */
function colourOf(name) {
  const hue = /^cairn::/.test(name)
    ? 140
    : / \S+\.js:/.test(name)
      ? 205
      : /^(v8::|Builtins_|node::)/.test(name)
        ? 265
        : 25;
  const shade = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 7) % 16;
  return `hsl(${hue},70%,${68 + shade}%)`;
}

function boxes(node, total, x, depth, out) {
  const width = (node.samples / total) * WIDTH;
  if (width < LEAST) return depth;
  out.push({ node, x, depth, width });
  let deepest = depth;
  let at = x;
  for (const next of [...node.below.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    deepest = Math.max(deepest, boxes(next, total, at, depth + 1, out));
    at += (next.samples / total) * WIDTH;
  }
  return deepest;
}

function svgOf(root) {
  const found = [];
  const deepest = boxes(root, root.samples, 0, 0, found);
  const height = (deepest + 1) * ROW + TOP;
  const drawn = found.map(({ node, x, depth, width }) => {
    const y = height - (depth + 1) * ROW;
    const share = ((100 * node.samples) / root.samples).toFixed(2);
    const fitting = Math.floor((width - 4) / CHARACTER);
    const label =
      fitting < 3 ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escaped(node.name.slice(0, fitting))}</text>`;
    const box = `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colourOf(node.name)}"/>`;
    return `<g><title>${escaped(node.name)}: ${share} %, ${node.samples} samples</title>${box}${label}</g>`;
  });
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">`;
  const legend = `<text x="4" y="15">${root.samples} samples; green: addon, blue: our JavaScript, violet: Node and V8, orange: libraries and kernel</text>`;
  return `${head}\n${legend}\n${drawn.join('\n')}\n</svg>\n`;
}

function printBusiest(stacks, total) {
  const own = new Map();
  for (const [stack, samples] of stacks) {
    const [thread] = stack.split(';', 1);
    const key = `${thread.padEnd(16)} ${stack.slice(stack.lastIndexOf(';') + 1)}`;
    own.set(key, (own.get(key) ?? 0) + samples);
  }
  const busiest = [...own].sort((a, b) => b[1] - a[1]).slice(0, 25);
  for (const [name, samples] of busiest) console.log(`${((100 * samples) / total).toFixed(2).padStart(6)} %  ${name}`);
}

/** What a stack is about, the first that fits: threads of the pool do the addon's jobs; Debian's libzstd has no names. */
const KINDS = [
  ['pool: SHA-256', (stack, isPool) => isPool && stack.includes('sha256')],
  ['pool: cutting', (stack, isPool) => isPool && stack.includes('CutScanner')],
  ['pool: the kernel', (stack, isPool) => isPool && isInKernel(stack)],
  ['pool: zstd', (stack, isPool) => isPool && stack.endsWith('[unknown]')],
  ['pool: other', (_, isPool) => isPool],
  ["V8's compiler", (stack) => /compiler::|Turbofan|maglev/.test(stack)],
  ["V8's collector", (stack) => /Scaveng|MarkCompact|Marking|Sweeper/.test(stack)],
  ['SQLite', (stack) => stack.includes('sqlite')],
  ['the kernel', (stack) => isInKernel(stack)],
  ['JavaScript and Node', () => true],
];

function isInKernel(stack) {
  return /entry_SYSCALL|do_syscall_64|asm_exc|asm_sysvec/.test(stack);
}

function printShares(stacks, total) {
  const shares = new Map(KINDS.map(([name]) => [name, 0]));
  for (const [stack, samples] of stacks) {
    const isPool = stack.startsWith('cairn-pool');
    const [name] = KINDS.find(([, fits]) => fits(stack, isPool));
    shares.set(name, shares.get(name) + samples);
  }
  console.log('\nShares of all samples:');
  for (const [name, samples] of shares) console.log(`${((100 * samples) / total).toFixed(0).padStart(5)} %  ${name}`);
}

const folder = process.argv[2];
if (folder === undefined)
  throw new Error('Usage: perf script -F comm,tid,ip,sym | node scripts/flame-graph.mjs FOLDER');
const stacks = await readStacks(process.stdin);
if (stacks.size === 0) {
  console.error('perf took no samples: did the daemon do anything?');
  process.exit(1);
}
const root = treeOf(stacks);
writeFileSync(
  join(folder, 'stacks.txt'),
  [...stacks]
    .map(([stack, samples]) => `${stack} ${samples}\n`)
    .sort()
    .join(''),
);
writeFileSync(join(folder, 'flame-graph.svg'), svgOf(root));
printBusiest(stacks, root.samples);
printShares(stacks, root.samples);
