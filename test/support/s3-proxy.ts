import assert from 'node:assert/strict';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestOf,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** What becomes of one request on its way to the server. */
export type Fault =
  /** The connection ends before the server hears of it. */
  | { readonly kind: 'reset' }
  /** The server does what it was asked to; its answer is lost. */
  | { readonly kind: 'lose-reply' }
  /** The connection ends in the middle of the answer's body. */
  | { readonly kind: 'reset-mid-body' }
  /** Half of the answer's body, which says of itself that it is whole. */
  | { readonly kind: 'truncate' }
  /** One byte of the answer's, or the request's, body is another. */
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'corrupt-request' }
  /** No answer, until the proxy is closed. */
  | { readonly kind: 'stall' }
  /** The answer waits for a promise. */
  | { readonly kind: 'wait'; readonly until: Promise<unknown> }
  /** An answer the server never gave. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

/** An S3 error as servers put it. */
export function s3Error(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Fault {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>made up</Message></Error>`;
  return { kind: 'answer', status, body, headers: { 'content-type': 'application/xml', ...headers } };
}

/** A request as a fault is chosen for it. */
export interface Passing {
  readonly method: string;
  readonly path: string;
}

/** A private key and its certificate, PEM. */
export interface TlsIdentity {
  readonly key: string;
  readonly cert: string;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * Stands between a client and a real S3 server, in this process, and does harm as it is told. Signatures stay right: the
 * host they are made for is the proxy's, and is handed on.
 */
export class S3Proxy {
  /** Chooses what happens to a request; undefined: it just passes. */
  choose: (request: Passing) => Fault | undefined = () => undefined;
  /** Requests that came. */
  readonly seen: Passing[] = [];
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  readonly #identity: TlsIdentity | undefined;

  private constructor(target: string, identity: TlsIdentity | undefined) {
    this.#target = new URL(target);
    this.#identity = identity;
  }

  /**
   * @param target endpoint of the real server
   * @param identity speak TLS with clients, as this server
   */
  static async open(target: string, identity?: TlsIdentity): Promise<S3Proxy> {
    const proxy = new S3Proxy(target, identity);
    await proxy.up();
    return proxy;
  }

  get endpoint(): string {
    return `${this.#identity === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  /** Connections clients have open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** The next requests meet these faults, one each; what comes after passes. */
  next(...faults: readonly Fault[]): void {
    const left = [...faults];
    this.choose = () => left.shift();
  }

  /** All requests meet this fault until told otherwise. */
  always(fault: Fault | undefined): void {
    this.choose = () => fault;
  }

  /** The requests that came since the last call. */
  takeSeen(): Passing[] {
    return this.seen.splice(0);
  }

  /** Listens (again, at the same port). */
  async up(): Promise<void> {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch(() => request.socket.destroy());
    };
    const server = this.#identity === undefined ? createServer(listener) : createTlsServer(this.#identity, listener);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.listen(this.#port, '127.0.0.1');
    await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Nobody listens any more, and all connections are gone. */
  async down(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Resolves once no client has a connection. */
  async idle(): Promise<void> {
    await Promise.all([...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const passing = { method: request.method ?? '', path: decodeURIComponent(request.url ?? '') };
    this.seen.push(passing);
    const fault = this.choose(passing);
    if (fault?.kind === 'reset') {
      request.socket.destroy();
      return;
    }
    const body = await bytesOf(request);
    if (fault?.kind === 'stall') return;
    if (fault?.kind === 'answer') {
      response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
      return;
    }
    if (fault?.kind === 'wait') await fault.until;
    const sent = fault?.kind === 'corrupt-request' ? withAnotherByte(body) : body;
    answer(response, await this.#ask(request, sent), request.method === 'HEAD', fault);
  }

  #ask(request: IncomingMessage, body: Buffer): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#target;
      const { method, url: path, headers } = request;
      const onward = requestOf({ hostname, port, method, path, headers, agent: false }, (reply) => {
        const { statusCode: status = 0, headers: replied } = reply;
        bytesOf(reply).then((bytes) => resolve({ status, headers: replied, body: bytes }), reject);
      });
      onward.on('error', reject);
      onward.end(body);
    });
  }
}

function answer(response: ServerResponse, { status, headers, body }: Reply, isHead: boolean, fault?: Fault): void {
  const half = body.subarray(0, Math.floor(body.length / 2));
  switch (fault?.kind) {
    case 'lose-reply':
      response.socket?.destroy();
      return;
    case 'reset-mid-body':
      response.writeHead(status, { ...withoutLength(headers), 'content-length': body.length });
      response.write(half, () => response.socket?.destroy());
      return;
    case 'truncate':
      response.writeHead(status, { ...withoutLength(headers), 'content-length': half.length }).end(half);
      return;
    case 'corrupt':
      response.writeHead(status, headers).end(withAnotherByte(body));
      return;
    default:
      response.writeHead(status, headers).end(isHead ? undefined : body);
  }
}

function withoutLength(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { 'content-length': _length, 'transfer-encoding': _encoding, ...rest } = headers;
  return rest;
}

function withAnotherByte(bytes: Buffer): Buffer {
  assert.ok(bytes.length > 0, 'there is a byte to change');
  const changed = Buffer.from(bytes);
  const middle = Math.floor(bytes.length / 2);
  changed[middle] = (changed[middle] ?? 0) ^ 1;
  return changed;
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
