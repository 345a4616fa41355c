/** The program of a daemon in the background: told by its parent what to mount, it reports once and lives on. */
import { errorMessage } from '../control/messages.js';
import type { StartReport } from './background.js';
import { createLogger } from './logger.js';
import { type DaemonOptions, runDaemon } from './main.js';

process.once('message', (options: DaemonOptions) => void run(options));

async function run(options: DaemonOptions): Promise<void> {
  const log = createLogger(options.logLevel);
  try {
    await runDaemon(options, { log, onReady: (mountpoint) => report({ type: 'ready', mountpoint }) });
  } catch (error) {
    log.error({ error }, 'the daemon ends');
    process.exitCode = 1;
    report({ type: 'failed', error: errorMessage(error) });
  }
}

/** The parent leaves after the first report, or has left already. */
function report(message: StartReport): void {
  if (!process.connected) return;
  process.send?.(message, () => {
    if (process.connected) process.disconnect();
  });
}
