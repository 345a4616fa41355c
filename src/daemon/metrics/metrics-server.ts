import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Status } from '../../control/commands.js';
import { CairnError, type ErrorKind, fromSystemError, kindOf } from '../../core/errors.js';
import { lookUpChunk, lookUpIndex, lookUpPieces } from '../look-ups.js';
import { type ListenAddress, pageAddress } from './listen-address.js';
import type { Metrics } from './metrics.js';
import { statusPage } from './status-page.js';

/** What is shown. */
export interface ShownMount {
  readonly metrics: Metrics;
  status(): Promise<Status>;
  /** Real path of its datastore. */
  readonly store: string;
  /** Whether the mount can be used. */
  isReady(): boolean;
}

interface Page {
  readonly code: number;
  readonly type: string;
  readonly text: string;
}

const MAX_CONNECTIONS = 32;
/** Whoever takes longer to ask is dropped. */
const ASK_WITHIN_MS = 10_000;
const PLAIN = 'text/plain; charset=utf-8';

const PAGES = '/, /metrics, /health, /ready, /admin/index/stats, /admin/chunks/ID and /admin/ec-groups/ID';
const CHUNK = /^\/admin\/(chunks|ec-groups)\/([^/]+)$/;

/** Shows a mount over HTTP to whoever can connect, who can change nothing: see `PAGES`. */
export class MetricsServer {
  readonly #server: Server;
  readonly #shown: ShownMount;
  readonly #host: string;

  private constructor(server: Server, shown: ShownMount, host: string) {
    this.#server = server;
    this.#shown = shown;
    this.#host = host;
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('clientError', (_error, socket) => socket.destroy());
  }

  /**
   * @param onError told of connections that could not be accepted
   * @throws {CairnError} `busy` where the port is taken, `invalid` where there is no such address
   */
  static async listen(
    address: ListenAddress,
    shown: ShownMount,
    onError: (error: Error) => void,
  ): Promise<MetricsServer> {
    const server = createServer({ requestTimeout: ASK_WITHIN_MS, headersTimeout: ASK_WITHIN_MS });
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address)));
      server.listen(address.port, address.host, resolve);
    });
    server.removeAllListeners('error').on('error', onError);
    return new MetricsServer(server, shown, address.host);
  }

  /** The page's address, with the port that was free where any was wanted. */
  get address(): string {
    return pageAddress({ host: this.#host, port: (this.#server.address() as AddressInfo).port });
  }

  /** Resolves when nobody is served any more. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { code, type, text } = await this.#page(request);
    response.writeHead(code, {
      'content-type': type,
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      'x-content-type-options': 'nosniff',
      ...(code === 405 && { allow: 'GET, HEAD' }),
    });
    response.end(request.method === 'HEAD' ? undefined : text);
  }

  async #page({ method, url }: IncomingMessage): Promise<Page> {
    if (method !== 'GET' && method !== 'HEAD') return { code: 405, type: PLAIN, text: 'Only GET\n' };
    try {
      return await this.#found(url?.replace(/\?.*$/s, ''));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { code: CODES[kindOf(error)] ?? 503, type: PLAIN, text: `${message}\n` };
    }
  }

  async #found(path: string | undefined): Promise<Page> {
    const { metrics, status, store, isReady } = this.#shown;
    const [, family, chunk] = CHUNK.exec(path ?? '') ?? [];
    if (chunk !== undefined) return json(await (family === 'chunks' ? lookUpChunk : lookUpPieces)(store, chunk));
    switch (path) {
      case '/':
        return { code: 200, type: 'text/html; charset=utf-8', text: statusPage(await status()) };
      case '/metrics':
        return { code: 200, type: metrics.contentType, text: await metrics.text() };
      case '/health':
        return health(await status());
      case '/ready':
        return isReady()
          ? { code: 200, type: PLAIN, text: 'ready\n' }
          : { code: 503, type: PLAIN, text: 'The datastore is not mounted yet, or not any more\n' };
      case '/admin/index/stats':
        return json(await lookUpIndex(store));
      default:
        return { code: 404, type: PLAIN, text: `Here are ${PAGES}\n` };
    }
  }
}

/** What kinds of errors are in HTTP; all others: the mount cannot tell now. */
const CODES: Partial<Record<ErrorKind, number>> = { invalid: 400, 'not-found': 404 };

function json(value: unknown): Page {
  return { code: 200, type: 'application/json', text: `${JSON.stringify(value)}\n` };
}

function health({ problems }: Status): Page {
  const text = problems.map(({ message }) => `${message}\n`).join('');
  return problems.length === 0 ? { code: 200, type: PLAIN, text: 'ok\n' } : { code: 503, type: PLAIN, text };
}

function listenError(error: NodeJS.ErrnoException, address: ListenAddress): CairnError {
  const where = pageAddress(address);
  if (error.code === 'EADDRINUSE') {
    return new CairnError('busy', `Metrics cannot be shown at ${where}: the port is taken; name another`, {
      cause: error,
    });
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    const advice = 'this machine has no such address; name another';
    return new CairnError('invalid', `Metrics cannot be shown at ${where}: ${advice}`, { cause: error });
  }
  return fromSystemError(error, `show metrics at ${where}`);
}
