import type { LogFailure } from '../content/change-log.js';
import type { Problem } from '../control/commands.js';

/** What an operator should know of a store that takes nothing new since something failed. */
export function readOnlyProblem({ reason }: LogFailure): Problem {
  const message = `The store takes no changes any more: ${reason}; mend the cause, then unmount and mount it again`;
  return { kind: 'read-only', message };
}

/** What an operator should know of a journal that cannot be written, though the store is not given up. */
export function refusalProblem(refusal: Error): Problem {
  const message = `Changes are refused, for the journal cannot be written: ${refusal.message}; mend the cause`;
  return { kind: 'journal-refused', message };
}
