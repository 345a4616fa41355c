import * as z from 'zod';
import { CairnError, kindOf } from '../../core/errors.js';
import type { Backend } from '../backend.js';

/** Says in every member whose it is, so that disks are never mixed up. */
export const MARK_NAME = '.cairn-member.json';

const memberMark = z.object({ datastore: z.string(), member: z.string() });

/** Of which datastore a store is a member, and which. */
export type MemberMark = z.output<typeof memberMark>;

/** What a mark says; undefined where it makes no sense. */
export function parseMark(bytes: Buffer): MemberMark | undefined {
  try {
    return memberMark.safeParse(JSON.parse(bytes.toString())).data;
  } catch {
    return undefined;
  }
}

/**
 * Makes a store a member, durably; one that is this member already is left as it is.
 * @throws {CairnError} `exists` where it is another member's, or another datastore's; what the store says
 */
export async function markMember(backend: Backend, mark: MemberMark, title: string): Promise<void> {
  const found = await readMark(backend);
  if (found === undefined) {
    await backend.put(MARK_NAME, Buffer.from(`${JSON.stringify(mark)}\n`));
    return backend.sync();
  }
  if (found.datastore === mark.datastore && found.member === mark.member) return;
  const whose = found.datastore === mark.datastore ? 'this datastore' : `the datastore ${found.datastore}`;
  throw new CairnError('exists', `${title} is the backend ${found.member} of ${whose} already`);
}

/** Whose member a store is; undefined where it is none. @throws {CairnError} */
export async function readMark(backend: Backend): Promise<MemberMark | undefined> {
  try {
    return parseMark(await backend.get(MARK_NAME)) ?? { datastore: '(unknown)', member: '(unknown)' };
  } catch (error) {
    if (kindOf(error) === 'not-found') return undefined;
    throw error;
  }
}
