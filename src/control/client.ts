import { connect, type Socket } from 'node:net';
import type { z } from 'zod';
import { CairnError, fromSystemError } from '../core/errors.js';
import { type CommandArguments, type CommandName, type CommandResult, commands } from './commands.js';
import { formatLine, LineSplitter, parseLine } from './lines.js';
import { errorFrom, MAX_RESPONSE_BYTES, PROTOCOL_VERSION, type Progress, responseMessage } from './messages.js';

/** What a caller may want of a command under way. */
export interface CallOptions {
  /** Is told how far the command is. */
  readonly onProgress?: (progress: Progress) => void;
  /** Gives the command up: the daemon is told by the closed connection. */
  readonly signal?: AbortSignal;
}

/**
 * Asks the daemon behind a socket for one command and resolves with its result.
 * @throws {CairnError} the daemon's own error; `unreachable` where no daemon listens or it went away before
 *   it answered; `access-denied` where the socket is another user's; `interrupted` when given up
 */
export async function callDaemon<C extends CommandName>(
  socketPath: string,
  command: C,
  args: CommandArguments<C>,
  options: CallOptions = {},
): Promise<CommandResult<C>> {
  const socket = await connected(socketPath);
  const giveUp = (): void => {
    socket.destroy();
  };
  options.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    if (options.signal?.aborted) giveUp();
    socket.write(formatLine({ version: PROTOCOL_VERSION, command, arguments: args }));
    const result = commands[command].result.safeParse(await answer(socket, options));
    if (!result.success) throw new CairnError('invalid', `The daemon's answer to ${command} is not understood`);
    return result.data as CommandResult<C>;
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
    socket.destroy();
  }
}

async function connected(path: string): Promise<Socket> {
  const socket = connect({ path });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
  } catch (error) {
    const failure = fromSystemError(error, `reach the daemon at ${path}`);
    if (failure.kind !== 'not-found' && failure.kind !== 'unreachable') throw failure;
    throw new CairnError('unreachable', `No daemon listens at ${path}`, { cause: error });
  }
  return socket;
}

function answer(socket: Socket, options: CallOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const lines = new LineSplitter(MAX_RESPONSE_BYTES);
    let cause: unknown;
    socket.on('data', (chunk) => {
      try {
        for (const line of lines.push(chunk)) {
          const message = responseOf(line);
          if ('error' in message) reject(errorFrom(message.error));
          else if ('result' in message) resolve(message.result);
          else options.onProgress?.(message.progress);
        }
      } catch (error) {
        reject(error);
      }
    });
    socket.on('error', (error) => {
      cause = error;
    });
    socket.once('close', () => {
      if (options.signal?.aborted) reject(new CairnError('interrupted', 'Given up before the daemon answered'));
      else reject(new CairnError('unreachable', 'The daemon went away before it answered', { cause }));
    });
  });
}

function responseOf(line: string): z.output<typeof responseMessage> {
  const message = responseMessage.safeParse(parseLine(line));
  if (!message.success) throw new CairnError('invalid', "The daemon's answer is not understood");
  return message.data;
}
