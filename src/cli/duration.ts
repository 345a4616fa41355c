import { InvalidArgumentError } from 'commander';

const FORM = /^(\d+(?:\.\d+)?)\s*(s|m|h|d|w)?$/;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * Seconds of a time span such as `90m`, `24h`, `7d`; a bare number is seconds.
 * @throws {InvalidArgumentError} for anything else
 */
export function parseDuration(text: string): number {
  const [, number, unit] = FORM.exec(text.trim()) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Wanted is a time span such as 0, 90m, 24h, 7d or 2w.');
  return Number(number) * (SECONDS[unit ?? 's'] as number);
}
