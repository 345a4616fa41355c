import type { Command } from 'commander';
import { type ChunkPieces, lookUpChunk } from '../daemon/look-ups.js';
import { existingStore, optionsOf } from './context.js';
import { print, printJson, shownBytes } from './output.js';

/** `cairn chunk` and what is below it. */
export function addChunk(program: Command): void {
  const chunk = program.command('chunk').description('look at single chunks');
  chunk
    .command('show')
    .description('show what is known of a chunk, and whether its file is there')
    .argument('<digest>', "SHA-256 of the chunk's plain bytes, 64 hex digits")
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Shown is what was committed, a few seconds ago where the datastore is mounted. "cairn verify" reads chunks, and "cairn repair" tells
which files a damaged one concerns.

Examples:
  $ cairn chunk show bf718b6f653bebc184e1479f1935b8da974d701b893afcf49e701f3e2f9f9c5a
  $ cairn chunk show --json bf718b6f653bebc184e1479f1935b8da974d701b893afcf49e701f3e2f9f9c5a`,
    )
    .action(show);
}

async function show(digest: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const found = await lookUpChunk(await existingStore(options.store), digest.toLowerCase());
  if (options.json) {
    printJson(found);
    return;
  }
  const { id, state, size, storedSize, verifiedAt, name, fileBytes, pieces } = found;
  print(`Chunk     ${id}`);
  print(`State     ${state}`);
  print(
    `Size      ${shownBytes(size)}, stored in ${storedSize === 0 ? 'an unknown number of bytes' : shownBytes(storedSize)}`,
  );
  print(`Verified  ${verifiedAt === null ? 'never' : new Date(verifiedAt * 1000).toISOString()}`);
  print(`File      ${name}, ${fileBytes === null ? 'which is not there' : shownBytes(fileBytes)}`);
  if (pieces !== null) print(`Pieces    ${shownPieces(pieces)}`);
}

function shownPieces({ scheme, pieces, copies, damaged, silent, canRecover }: ChunkPieces): string {
  const parts = [
    ...pieces.map(({ index, backend }) => `${index} on ${backend}`),
    ...copies.map((backend) => `a copy on ${backend}`),
    ...damaged.map((backend) => `damaged on ${backend}`),
    ...silent.map((backend) => `${backend} does not answer`),
  ];
  return `${scheme}: ${parts.join(', ')}${canRecover ? '' : '; too few are left'}`;
}
