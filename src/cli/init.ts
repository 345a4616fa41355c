import { realpath } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { CairnError } from '../core/errors.js';
import { parseRedundancy, piecesOf } from '../core/redundancy.js';
import { type BackendConfig, backendConfig } from '../datastore/backend-config.js';
import { requireNew } from '../datastore/change-backends.js';
import { type CreateOptions, createDatastore, type Layout } from '../datastore/create.js';
import { placeOf } from './backend.js';
import { optionsOf } from './context.js';
import { interruptible } from './interruption.js';
import { print } from './output.js';
import { withProgress } from './progress-display.js';
import { addServerOptions, frontOptionsOf, type S3Options, s3SettingsOf } from './s3-options.js';
import { warnOfSameDisk } from './same-disk.js';

const LAYOUTS: readonly Layout[] = ['cairn', 'pbs'];

interface InitOptions extends S3Options {
  readonly layout: Layout;
  readonly verifyNew?: boolean;
  readonly backend?: readonly string[];
  readonly redundancy?: string;
}

/** `cairn init PATH` */
export function addInit(program: Command): void {
  const init = program
    .command('init')
    .description('create a datastore in an empty or new folder')
    .argument('<path>', 'the folder')
    .addOption(
      new Option('--layout <layout>', 'folders for chunks: 256 of our own, or the 65,536 of Proxmox Backup Server')
        .choices(LAYOUTS)
        .default(LAYOUTS[0]),
    )
    .option('--verify-new', 'read every new chunk back and verify it before anything names it')
    .option('--backend <id=place...>', 'keep chunks in this folder instead, or s3://BUCKET/NAME; may be given often')
    .option('--redundancy <scheme>', 'with --backend: single (default), mirror:N or ec:K+M')
    .option('--s3 <bucket>', 'keep everything in this S3 bucket too; the folder is what goes there next, and a cache')
    .option('--s3-store <name>', 'what the datastore is called in the bucket (default: the name of the folder)');
  addServerOptions(init)
    .addHelpText(
      'after',
      `
Examples:
  $ cairn init /srv/backup
  $ cairn init --layout pbs /srv/pbs-store
  $ cairn init --verify-new /srv/backup
  $ cairn init --redundancy mirror:2 --backend a=/mnt/a/cairn b=/mnt/b/cairn -- /srv/backup
  $ AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… cairn init --s3 backups --endpoint https://s3.example.org /srv/backup`,
    )
    .action(run);
}

async function run(path: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<InitOptions>(command);
  // With --backend the options of a server are about those.
  const s3 = options.backend === undefined || options.s3 !== undefined ? s3SettingsOf(path, options) : undefined;
  if (/^s3:/i.test(path)) {
    throw new CairnError(
      'unsupported',
      `${path}: a datastore on S3 has a folder in front of it: give that, and the bucket with --s3`,
    );
  }
  const spread = spreadOf(options);
  if (path === '') throw new CairnError('invalid', 'The path of the datastore is empty');
  // Modes of the folders are part of the format (pbs-format §1.1), whatever the user's mask.
  process.umask(0o022);
  await interruptible((signal) =>
    withProgress((update) =>
      createDatastore(path, {
        layout: options.layout,
        verifyNew: options.verifyNew === true,
        ...(s3 && { s3 }),
        ...(spread && { spread }),
        ...frontOptionsOf(options),
        signal,
        onProgress: (done, total) => update({ step: 'making folders', done, total, unit: 'items' }),
      }),
    ),
  );
  if (spread !== undefined) {
    await warnOfSameDisk(spread.backends.flatMap(({ id, path: folder }) => (folder ? [{ id, path: folder }] : [])));
  }
  const where = s3 === undefined ? '' : ` in front of s3://${s3.bucket}/${s3.store}`;
  print(`Created the datastore ${await realpath(path)}${where}`);
}

/** The backends the options name; undefined where they name none. @throws {CairnError} `invalid` where they make no sense */
function spreadOf({ backend: given, redundancy: scheme, s3, ...options }: InitOptions): CreateOptions['spread'] {
  if (given === undefined) {
    if (scheme === undefined) return undefined;
    throw new CairnError('invalid', '--redundancy means nothing without --backend');
  }
  if (s3 !== undefined)
    throw new CairnError('invalid', '--s3 and --backend exclude each other: give s3://… to --backend');
  const backends: BackendConfig[] = [];
  for (const text of given) {
    const [, id, place] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (id === undefined || place === undefined) {
      throw new CairnError(
        'invalid',
        `Not a backend: ${JSON.stringify(text)}; give it as ID=FOLDER or ID=s3://BUCKET/NAME`,
      );
    }
    const parsed = backendConfig.safeParse({ id, ...placeOf(place, options) });
    if (!parsed.success) throw new CairnError('invalid', `Not a backend: ${parsed.error.issues[0]?.message}`);
    requireNew(backends, parsed.data);
    backends.push(parsed.data);
  }
  const redundancy = scheme ?? 'single';
  const pieces = piecesOf(parseRedundancy(redundancy));
  if (backends.length < pieces)
    throw new CairnError('invalid', `${redundancy} takes ${pieces} backends, not ${backends.length}`);
  return { backends, redundancy };
}
