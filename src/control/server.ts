import { createServer, type Server, type Socket } from 'node:net';
import { CairnError } from '../core/errors.js';
import { type CommandArguments, type CommandName, type CommandResult, commands, isCommandName } from './commands.js';
import { formatLine, LineSplitter, parseLine } from './lines.js';
import { errorMessage, MAX_REQUEST_BYTES, PROTOCOL_VERSION, type Progress, requestMessage } from './messages.js';

/** The other side of a command under way. */
export interface RequestContext {
  /** Tells the client how far its command is. */
  progress(progress: Progress): void;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

/** What the daemon does for each command. A rejection is the client's error. */
export type CommandHandlers = {
  readonly [C in CommandName]: (
    args: CommandArguments<C>,
    context: RequestContext,
  ) => Promise<CommandResult<C>> | CommandResult<C>;
};

/** More clients than this at once are turned away. */
const MAX_CONNECTIONS = 64;
/** A client that connects and asks nothing, or does not take its answer, is dropped. */
const IDLE_MS = 10_000;

/** Whether whoever is at the other end of a connection may ask for anything. */
export type MayAsk = (socket: Socket) => boolean;

/** Answers commands on a unix socket, one per connection. Whoever may ask may ask for anything. */
export class ControlServer {
  readonly #server: Server;
  readonly #handlers: CommandHandlers;
  readonly #onError: (error: unknown) => void;
  readonly #mayAsk: MayAsk;
  readonly #serving = new Set<Promise<void>>();
  /** Connections that have not asked for anything yet. */
  readonly #silent = new Set<Socket>();

  /** @param onError is told of connections that broke; nothing else needs doing about them */
  constructor(handlers: CommandHandlers, onError: (error: unknown) => void, mayAsk: MayAsk) {
    this.#handlers = handlers;
    this.#onError = onError;
    this.#mayAsk = mayAsk;
    this.#server = createServer((socket) => {
      const serving = this.#serve(socket).catch(onError);
      this.#serving.add(serving);
      void serving.then(() => this.#serving.delete(serving));
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves when clients can connect. @param path nothing may be there */
  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ path }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', this.#onError);
        resolve();
      });
    });
  }

  /** Takes the socket away at once; commands under way go on. Another daemon may listen on the path from now on. */
  stopListening(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Resolves when the commands under way are answered; takes the socket away if that is still to be done. */
  async close(): Promise<void> {
    this.stopListening();
    for (const socket of this.#silent) socket.destroy();
    await Promise.all(this.#serving);
  }

  async #serve(socket: Socket): Promise<void> {
    const gone = new AbortController();
    socket.on('error', this.#onError);
    socket.once('close', () => gone.abort());
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    const send = (message: unknown): void => {
      if (socket.writable) socket.write(formatLine(message));
    };
    try {
      if (!this.#mayAsk(socket)) {
        throw new CairnError('access-denied', 'Only root and the user whose daemon this is may ask it for anything');
      }
      this.#silent.add(socket);
      const line = await firstLine(socket);
      this.#silent.delete(socket);
      if (line === undefined) return;
      socket.setTimeout(0);
      const context = { progress: (progress: Progress) => send({ progress }), signal: gone.signal };
      send({ result: await this.#perform(line, context) });
    } catch (error) {
      send({ error: errorMessage(error) });
    } finally {
      this.#silent.delete(socket);
      socket.setTimeout(IDLE_MS);
      await ended(socket);
    }
  }

  async #perform(line: string, context: RequestContext): Promise<unknown> {
    const request = requestMessage.safeParse(parseLine(line));
    if (!request.success) throw new CairnError('invalid', 'The message is not a request');
    const { version, command } = request.data;
    if (version !== PROTOCOL_VERSION) {
      throw new CairnError(
        'unsupported',
        `The daemon speaks control protocol ${PROTOCOL_VERSION}, the client ${version}: use the program that mounted, or mount again`,
      );
    }
    if (!isCommandName(command)) throw new CairnError('unsupported', `The daemon knows no command ${command}`);
    return this.#call(command, request.data.arguments, context);
  }

  async #call<C extends CommandName>(command: C, given: unknown, context: RequestContext): Promise<unknown> {
    const args = commands[command].arguments.safeParse(given);
    if (!args.success) {
      const { path, message } = args.error.issues[0] ?? { path: [], message: 'not understood' };
      throw new CairnError('invalid', `Bad arguments for ${command}: ${[...path, message].join(': ')}`);
    }
    return this.#handlers[command](args.data as CommandArguments<C>, context);
  }
}

/**
 * The first line a client sends, or undefined where it goes without one. What follows is read and thrown
 * away, so that the end of the connection is noticed.
 */
function firstLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const lines = new LineSplitter(MAX_REQUEST_BYTES);
    let asked = false;
    socket.on('data', (chunk) => {
      if (asked) return;
      try {
        for (const line of lines.push(chunk)) {
          asked = true;
          resolve(line);
          break;
        }
      } catch (error) {
        asked = true;
        reject(error);
      }
    });
    socket.once('close', () => resolve(undefined));
  });
}

/** Ends a socket and resolves when what was sent is out, or the other side has gone. */
function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    socket.once('close', () => resolve());
    socket.end(() => socket.destroy());
  });
}
