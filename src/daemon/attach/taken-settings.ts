import { parseGroupPath } from '../../core/group.js';
import { parseSettings, type Settings } from '../../datastore/settings.js';
import { checkSchedules } from '../schedule/schedule-service.js';

/** What of a recovery point's settings is taken over. */
export interface TakenSettings {
  /** Undefined: nothing. */
  readonly settings: Pick<Settings, 'schedules' | 'prune'> | undefined;
  /** What is not taken over and why, a line each, for people. */
  readonly leftOut: readonly string[];
}

/**
 * What a folder takes over of the settings in its object store. Whoever can write there may have put them there: no command
 * comes from them, nor what would keep the datastore from being mounted.
 */
export function takenSettings(given: unknown): TakenSettings {
  if (given === undefined || given === null) return { settings: undefined, leftOut: [] };
  try {
    const { schedules, prune, onFailure } = parseSettings(given, 'the JSON');
    checkSchedules(schedules);
    for (const group of Object.keys(prune)) parseGroupPath(group);
    const advice = 'set it again with "cairn schedule on-failure"';
    const hook = `The command for failures is not taken over from the object store: ${advice}`;
    return { settings: { schedules, prune }, leftOut: onFailure === null ? [] : [hook] };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { settings: undefined, leftOut: [`Schedules and policies are not taken over: ${reason}`] };
  }
}
