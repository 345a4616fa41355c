import { piecesOf, type Redundancy, writeQuorumOf } from '../../core/redundancy.js';
import type { BackendFigures } from '../backend.js';
import type { Member } from './member.js';

/**
 * How many bytes of objects fit where each takes one piece on each of so many members, as much as possible of them: with
 * members of different sizes some of the larger ones' room cannot be used.
 * @param rooms bytes each member has
 * @returns undefined where there is no limit
 */
export function objectBytesThatFit(rooms: readonly number[], redundancy: Redundancy): number | undefined {
  const pieces = piecesOf(redundancy);
  const sorted = [...rooms].sort((a, b) => a - b);
  const limited = sorted.filter((room) => Number.isFinite(room));
  const endless = sorted.length - limited.length;
  if (endless >= pieces) return undefined;
  if (sorted.length < pieces) return 0;
  // With pieces of `size` bytes in all on a member, the members hold the sum of min(room, size); pieces * size are wanted.
  // The largest members are used up to that size, all others fully.
  for (let larger = endless; larger < pieces; larger += 1) {
    const full = limited.slice(0, limited.length - (larger - endless));
    const sum = full.reduce((total, room) => total + room, 0);
    const size = sum / (pieces - larger);
    if (size >= (full.at(-1) ?? 0)) return Math.floor(size * redundancy.data);
  }
  return 0;
}

/**
 * Room for objects in members together, counting what those that answer say; undefined where there is no limit. Only what
 * could be written is free.
 */
export async function roomFor(members: readonly Member[], redundancy: Redundancy): Promise<BackendFigures | undefined> {
  const answers = await Promise.all(
    members.map(async (member) => {
      try {
        return [{ member, figures: await member.figures() }];
      } catch {
        return [];
      }
    }),
  );
  const known = answers.flat();
  const writable = known.filter(({ member: { settings } }) => !settings.readOnly && !settings.draining);
  const total = objectBytesThatFit(
    known.map(({ figures }) => figures?.totalBytes ?? Number.POSITIVE_INFINITY),
    fewerPieces(redundancy, known.length),
  );
  if (total === undefined) return undefined;
  const fit = (room: (figures: BackendFigures) => number): number => {
    const rooms = writable.map(({ member, figures }) =>
      figures === undefined ? Number.POSITIVE_INFINITY : Math.max(room(figures) - member.settings.minFreeBytes, 0),
    );
    return Math.min(objectBytesThatFit(rooms, fewerPieces(redundancy, writable.length)) ?? total, total);
  };
  const freeBytes = fit((figures) => figures.freeBytes);
  const files = writable.flatMap(({ figures }) => figures ?? []);
  return {
    totalBytes: total,
    freeBytes,
    availableBytes: Math.min(
      fit((figures) => figures.availableBytes),
      freeBytes,
    ),
    totalFiles: sumOf(known.map(({ figures }) => figures?.totalFiles ?? 0)),
    freeFiles: sumOf(files.map(({ freeFiles }) => freeFiles)),
  };
}

/** As many pieces as can be written on so many members, if that is enough for a write to be taken for done. */
function fewerPieces(redundancy: Redundancy, members: number): Redundancy {
  const pieces = Math.max(Math.min(piecesOf(redundancy), members), writeQuorumOf(redundancy));
  return { data: redundancy.data, parity: pieces - redundancy.data };
}

function sumOf(numbers: readonly number[]): number {
  return Math.min(
    numbers.reduce((sum, number) => sum + number, 0),
    Number.MAX_SAFE_INTEGER,
  );
}
