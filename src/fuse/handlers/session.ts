import { constants } from 'node:os';
import type { FileSystemFigures } from '../../vfs/api.js';
import { type Encoding, type Exchange, PAYLOAD } from '../exchange.js';
import {
  type Agreement,
  agree,
  decodeInit,
  decodeInterrupt,
  encodeFigures,
  encodeInit,
  encodeVersion,
  OLDEST_MINOR,
  PROTOCOL_MAJOR,
} from '../wire/session.js';

const AGREED: Encoding<Agreement, undefined> = { encode: (out, agreement) => encodeInit(out, PAYLOAD, agreement) };
const VERSION: Encoding<undefined, undefined> = { encode: (out) => encodeVersion(out, PAYLOAD) };
const FIGURES: Encoding<FileSystemFigures, undefined> = {
  encode: (out, figures) => encodeFigures(out, PAYLOAD, figures),
};

/** The first request of a mount. */
export function init(exchange: Exchange): void {
  const offer = decodeInit(exchange.request);
  if (offer.major > PROTOCOL_MAJOR) {
    exchange.answer(undefined, VERSION, undefined);
    return;
  }
  if (offer.major < PROTOCOL_MAJOR || offer.minor < OLDEST_MINOR) {
    const spoken = `${offer.major}.${offer.minor}`;
    exchange.log.error({ spoken }, `This kernel speaks FUSE ${spoken}; Cairn needs 7.${OLDEST_MINOR} (Linux 4.18)`);
    exchange.refuse(constants.errno.EPROTO);
    return;
  }
  const agreement = agree(offer);
  exchange.extendedSetXattr = agreement.extendedSetXattr;
  exchange.log.debug({ kernelMinor: offer.minor, ...agreement }, 'FUSE protocol agreed');
  exchange.answer(agreement, AGREED, undefined);
}

/** Only block device mounts send it; the end of others shows in the descriptor. */
export function destroy(exchange: Exchange): void {
  exchange.answerDone(undefined);
}

/** Wants no answer of its own: the interrupted request is answered, by its handler, which may hurry or give up. */
export function interrupt(exchange: Exchange): void {
  exchange.interrupt(decodeInterrupt(exchange.request));
}

export function figures(exchange: Exchange): void {
  exchange.answer(exchange.vfs.figures(), FIGURES, undefined);
}

/** No ioctl is known here, which is not the same as no ioctl ever. */
export function ioctl(exchange: Exchange): void {
  exchange.refuse(constants.errno.ENOTTY);
}

/** The kernel does without from then on. */
export function notImplemented(exchange: Exchange): void {
  exchange.refuse(constants.errno.ENOSYS);
}
