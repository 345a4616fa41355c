import { CHUNK_STATES } from '../../catalog/counters.js';
import type { UploadStatus } from '../../control/upload-commands.js';
import type { Sample } from './sample.js';

/** One value of a figure. */
export interface FigureValue {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A figure under its public name: dashboards and alerts rely on names and labels. */
export interface Figure {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  values(sample: Sample): readonly FigureValue[];
}

type TakeOne = (sample: Sample) => number;
type TakeAll = (sample: Sample) => readonly FigureValue[];

/** Counts from the start of the mount. */
function counter(name: string, help: string, take: TakeOne): Figure {
  return { name: `cairn_${name}`, help, type: 'counter', labels: [], values: single(take) };
}

function gauge(name: string, help: string, take: TakeOne): Figure {
  return { name: `cairn_${name}`, help, type: 'gauge', labels: [], values: single(take) };
}

function labelled(type: Figure['type'], name: string, help: string, labels: readonly string[], take: TakeAll): Figure {
  return { name: `cairn_${name}`, help, type, labels, values: take };
}

function single(take: TakeOne): TakeAll {
  return (sample) => [{ labels: {}, value: take(sample) }];
}

const MOUNT: readonly Figure[] = [
  labelled('gauge', 'build_info', 'The program; always 1', ['version'], ({ status }) => [
    { labels: { version: status.version }, value: 1 },
  ]),
  gauge('start_time_seconds', 'When the mount began, epoch seconds', ({ status }) => status.startedAt),
  gauge('memory_bytes', 'Resident memory of the daemon', ({ status }) => status.memoryBytes),
  gauge('read_only', 'Whether nothing can be changed', ({ status }) => Number(status.readOnly)),
  labelled('gauge', 'problems', 'What an operator should know of, as status lists it', ['kind'], problems),
  labelled('counter', 'requests_total', 'Requests of the kernel', ['operation'], ({ status }) =>
    Object.entries(status.requests).map(([operation, value]) => ({ labels: { operation }, value })),
  ),
  gauge('dirty_bytes', 'Bytes that would not survive a power cut', ({ status }) => status.dirtyBytes),
  gauge('oldest_unsynced_seconds', 'Age of the oldest of them', ({ status }) => status.oldestUnsyncedSeconds ?? 0),
  gauge('live_inodes', 'Inodes of all live trees', ({ state }) => state.catalog.inodes),
  gauge('live_bytes', 'Bytes of live files that are not holes', ({ state }) => state.catalog.allocatedBytes),
  gauge('journal_bytes', 'Those of them that are in the journal only', ({ state }) => state.catalog.journalBytes),
];

const STORAGE: readonly Figure[] = [
  labelled('gauge', 'storage_chunks_total', 'Chunks the datastore knows', ['state'], ({ state }) =>
    CHUNK_STATES.map((name) => ({ labels: { state: name }, value: state.catalog.chunks[name].chunks })),
  ),
  labelled('gauge', 'storage_chunks_bytes_total', 'Bytes of their files', ['state'], ({ state }) =>
    CHUNK_STATES.map((name) => ({ labels: { state: name }, value: state.catalog.chunks[name].storedBytes })),
  ),
  labelled('gauge', 'storage_chunks_plain_bytes_total', 'Bytes they hold', ['state'], ({ state }) =>
    CHUNK_STATES.map((name) => ({ labels: { state: name }, value: state.catalog.chunks[name].plainBytes })),
  ),
  gauge('storage_objects_total', 'Objects of the library', ({ state }) => state.objects.objects),
  gauge('storage_objects_bytes_total', 'Bytes of their contents', ({ state }) => state.objects.bytes),
  labelled('counter', 'storage_chunk_operations_total', 'What was done with chunks', ['operation'], operations),
  counter('storage_chunk_dedupe_hits_total', 'Chunks that were there already', ({ state }) => state.chunks.reuses),
  counter('compression_bytes_in_total', 'Bytes of the chunks written', ({ state }) => state.chunks.plainBytes),
  counter('compression_bytes_out_total', 'Bytes of their files', ({ state }) => state.chunks.encodedBytes),
  counter(
    'compression_skipped_total',
    'Chunks stored as they are, since compressing them saves nothing',
    ({ state }) => state.chunks.uncompressed,
  ),
  gauge('compression_ratio', 'Bytes of all chunks to bytes of their files', ({ state }) => {
    const { plainBytes, storedBytes } = state.catalog.chunks.present;
    return storedBytes === 0 ? 0 : plainBytes / storedBytes;
  }),
];

const JOBS: readonly Figure[] = [
  counter('gc_runs_total', 'Collections that ended', ({ state }) => state.gc.runs),
  counter('gc_errors_total', 'Collections that failed, or would remove nothing', ({ state }) => state.gc.failures),
  counter('gc_chunks_quarantined_total', 'Chunks set aside', ({ state }) => state.gc.quarantinedChunks),
  counter('gc_bytes_quarantined_total', 'Bytes of their files', ({ state }) => state.gc.quarantinedBytes),
  counter('gc_chunks_deleted_total', 'Chunks deleted', ({ state }) => state.gc.deletedChunks),
  counter('gc_bytes_reclaimed_total', 'Bytes given back to the file system', ({ state }) => state.gc.deletedBytes),
  counter('gc_duration_seconds_total', 'Time spent in collections', ({ state }) => state.gc.seconds),
  gauge('gc_last_run_timestamp_seconds', 'When the last one ended, 0: never', ({ state }) => state.gc.lastEndedAt),
  counter('verify_runs_total', 'Verifications of chunks or snapshots', ({ state }) => state.care.verifyRuns),
  counter('verify_chunks_total', 'Chunks verified', ({ state }) => state.care.verifiedChunks),
  counter('verify_bytes_total', 'Bytes of chunks verified', ({ state }) => state.care.verifiedBytes),
  counter('verify_damaged_chunks_total', 'Damaged chunks found', ({ state }) => state.care.damagedChunks),
  gauge(
    'verify_oldest_timestamp_seconds',
    'When the chunk verified longest ago was, 0: some never were',
    ({ status }) => status.oldestVerifiedAt,
  ),
  counter('repair_healed_chunks_total', 'Damaged chunks stored anew', ({ state }) => state.care.healedChunks),
  counter('drill_runs_total', 'Restore drills', ({ state }) => state.care.drills),
  counter('drill_files_total', 'Files they restored', ({ state }) => state.care.drilledFiles),
  counter('drill_failures_total', 'Files that were not as they should be', ({ state }) => state.care.drillFailures),
  counter('check_runs_total', 'Checks of the bookkeeping', ({ state }) => state.care.checks),
  counter('check_damages_total', 'Damages they found', ({ state }) => state.care.checkDamages),
];

const SCHEDULE: readonly Figure[] = [
  perJob('last_run_timestamp_seconds', 'When a scheduled job last ended', ({ last }) => last?.endedAt ?? null),
  perJob('last_duration_seconds', 'How long it took', ({ last }) => last && last.endedAt - last.startedAt),
  perJob('last_failed', 'Whether it failed', ({ last }) => last && Number(last.outcome === 'failed')),
  perJob('next_run_timestamp_seconds', 'When it runs next', ({ nextRunAt }) => nextRunAt),
  perJob('running', 'Whether it runs', ({ running }) => Number(running)),
];

/** Nothing is told where there is no object store. */
const UPLOADS: readonly Figure[] = [
  ofUploads('gauge', 'upload_queue_chunks', 'Chunks that wait to be uploaded', ({ chunks }) => chunks),
  ofUploads('gauge', 'upload_queue_bytes', 'Bytes of their files', ({ bytes }) => bytes),
  ofUploads('gauge', 'upload_queue_limit_bytes', 'How many may wait', ({ queueBytes }) => queueBytes),
  ofUploads('gauge', 'upload_behind_since_timestamp_seconds', 'Since when some wait', ({ behindSince }) => behindSince),
  ofUploads('gauge', 'upload_failing', 'Whether the last upload failed', ({ error }) => Number(error !== null)),
  ofUploads('counter', 'upload_failures_total', 'Uploads that failed', ({ failures }) => failures),
  ofUploads('counter', 'upload_chunks_total', 'Chunks uploaded', ({ uploaded }) => uploaded.chunks),
  ofUploads('counter', 'upload_bytes_total', 'Bytes of their files', ({ uploaded }) => uploaded.bytes),
  ofUploads('gauge', 'upload_complete_timestamp_seconds', 'When all was uploaded last', ({ completeAt }) => completeAt),
  ofUploads(
    'gauge',
    'recovery_point_timestamp_seconds',
    'Of which time live trees are in the object store',
    (status) => status.recoveryPointAt,
  ),
];

/** Nothing is told where the datastore's folder is all there is. */
const BACKENDS: readonly Figure[] = [
  perBackend('gauge', 'failing', 'Whether it is failing', ({ failing }) => Number(failing)),
  perBackend('gauge', 'size_bytes', 'Its size', ({ totalBytes }) => totalBytes),
  perBackend('gauge', 'available_bytes', 'Room that is left in it', ({ availableBytes }) => availableBytes),
  perBackend('gauge', 'pieces', 'Pieces of chunks it has, as far as is recorded', ({ pieces }) => pieces),
  perBackend('gauge', 'piece_bytes', 'Bytes of them', ({ pieceBytes }) => pieceBytes),
  perBackend('counter', 'pieces_written_total', 'Pieces of chunks the mount wrote', (state) => state.piecesWritten),
  perBackend('counter', 'bytes_written_total', 'Bytes of them', ({ bytesWritten }) => bytesWritten),
  perBackend('counter', 'pieces_read_total', 'Pieces of chunks the mount read', ({ piecesRead }) => piecesRead),
  perBackend('counter', 'bytes_read_total', 'Bytes of them', ({ bytesRead }) => bytesRead),
  perBackend('counter', 'errors_total', 'What failed on it, absence not counted', ({ errors }) => errors),
];

/** All that is told, in the order it is printed. */
export const FIGURES: readonly Figure[] = [...MOUNT, ...STORAGE, ...BACKENDS, ...UPLOADS, ...JOBS, ...SCHEDULE];

function ofUploads(
  type: 'gauge' | 'counter',
  name: string,
  help: string,
  take: (status: UploadStatus) => number | null,
): Figure {
  return labelled(type, name, help, [], ({ status: { uploads } }) => {
    const value = uploads === null ? null : take(uploads);
    return value === null ? [] : [{ labels: {}, value }];
  });
}

function perBackend(
  type: Figure['type'],
  name: string,
  help: string,
  take: (backend: Sample['state']['backends'][number]) => number | null,
): Figure {
  return labelled(type, `backend_${name}`, help, ['backend'], ({ state }) =>
    state.backends.flatMap((backend) => {
      const value = take(backend);
      return value === null ? [] : [{ labels: { backend: backend.id }, value }];
    }),
  );
}

function problems({ status }: Sample): FigureValue[] {
  const counts = new Map<string, number>();
  for (const { kind } of status.problems) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, value]) => ({ labels: { kind }, value }));
}

function operations({ state: { chunks, gc, care } }: Sample): FigureValue[] {
  const counts = {
    create: chunks.inserts,
    deduplicate: chunks.reuses,
    // Those whose digest was known before their bytes came.
    receive: care.healedChunks,
    read: chunks.loads,
    delete: gc.deletedChunks,
  };
  return Object.entries(counts).map(([operation, value]) => ({ labels: { operation }, value }));
}

function perJob(
  name: string,
  help: string,
  take: (entry: Sample['status']['schedule'][number]) => number | null,
): Figure {
  return labelled('gauge', `schedule_${name}`, help, ['job', 'group'], ({ status }) =>
    status.schedule.flatMap((entry) => {
      const value = take(entry);
      return value === null ? [] : [{ labels: { job: entry.job, group: entry.group ?? '' }, value }];
    }),
  );
}
