import type { Log } from '../core/log.js';
import { complain } from './output.js';

/** What goes wrong beside a command's own work, told as its problems are: in one line on standard error. */
export const commandLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: tell,
  error: tell,
};

function tell(fields: object, message: string): void {
  const cause = 'error' in fields && fields.error instanceof Error ? `: ${fields.error.message}` : '';
  complain(`${message}${cause}`);
}
