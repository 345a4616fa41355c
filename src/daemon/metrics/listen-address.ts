import { isIPv6 } from 'node:net';
import { CairnError } from '../../core/errors.js';

/** Where to listen: a name or number of this machine, and a port; 0 is any that is free. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const LOOPBACK = '127.0.0.1';

/** Reads `[HOST:]PORT`; an IPv6 host stands in brackets. @throws {CairnError} `invalid` */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]]+):)?(\d{1,5})$/.exec(text);
  const host = match?.[1]?.replace(/^\[|\]$/g, '') ?? LOOPBACK;
  const port = Number(match?.[2]);
  const isBracketed = match?.[1]?.startsWith('[') === true;
  if (match !== null && port <= 65_535 && isBracketed === isIPv6(host)) return { host, port };
  throw new CairnError(
    'invalid',
    `Not a place to listen: ${JSON.stringify(text)}; wanted is PORT or HOST:PORT, as 9100`,
  );
}

/** The address of a page there. */
export function pageAddress({ host, port }: ListenAddress): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}/`;
}
