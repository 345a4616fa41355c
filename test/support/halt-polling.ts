import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { HaltPollingPlaces } from '../../src/daemon/halt-polling.js';
import { temporaryFolder } from './temporary-folder.js';

/** A machine whose CPUs halt at once, as files in a temporary folder. */
export function fakeHaltPolling(t: TestContext, driver = 'haltpoll'): HaltPollingPlaces {
  const folder = temporaryFolder(t);
  const places = { parameter: join(folder, 'ns'), driver: join(folder, 'driver'), folder: join(folder, 'run') };
  writeFileSync(places.parameter, '0\n');
  writeFileSync(places.driver, `${driver}\n`);
  return places;
}
