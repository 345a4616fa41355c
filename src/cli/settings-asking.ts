import type { CommandArguments } from '../control/commands.js';
import { claimDatastore } from '../datastore/claim.js';
import { datastorePaths } from '../datastore/paths.js';
import { changeSettings } from '../datastore/settings.js';
import { askIfMounted } from './context.js';

/**
 * Changes a datastore's settings: by its daemon, which goes by them at once, or here where it is not mounted.
 * @throws {CairnError} `busy` where another process has the datastore
 */
export async function changeSettingsOf(store: string, change: CommandArguments<'settings-change'>): Promise<void> {
  if ((await askIfMounted(store, 'settings-change', change)) !== undefined) return;
  const paths = datastorePaths(store);
  const claim = claimDatastore(paths);
  try {
    await changeSettings(paths, change);
  } finally {
    claim.release();
  }
}
