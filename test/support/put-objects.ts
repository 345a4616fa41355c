import { openLibrary } from '../../src/library/open-library.js';
import { noise } from './noise.js';

// A program that puts, replaces and deletes objects until it is killed, and says what it begins and what is done:
// `begin ID`, then `put ID SHA256` or `deleted ID`. Usage: put-objects STORE ROUND

const LANES = 3;
const [store = '', round = ''] = process.argv.slice(2);
const library = await openLibrary(store);
const say = (...words: string[]): void => void process.stdout.write(`${words.join(' ')}\n`);

async function lane(number: number): Promise<never> {
  for (let step = 0; ; step += 1) {
    const isTurn = step % 3 === 2;
    const id = isTurn ? `turn-${number}` : `${round}-${number}-${step}`;
    const content = noise(`${id} ${round} ${step}`, 1000 + ((step * 97_001) % 700_000));
    say('begin', id);
    const { sha256 } = await library.putObject(id, content);
    say('put', id, sha256);
    if (step % 4 !== 1) continue;
    say('begin', id);
    await library.deleteObject(id);
    say('deleted', id);
  }
}

await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
