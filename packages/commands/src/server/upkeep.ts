/** BGSAVE LASTSAVE FLUSHBACKUP COMPACT FLUSHMEMTABLE FLUSHBLOCKCACHE STATS KPROFILE: the database as files. */
import type { Namespace } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, noKeys, type Call, type CommandDefinition, type CommandFlag } from '../command.ts';

/** Ends a command later: the error line, or undefined when it was done. Called once. */
export type UpkeepAnswer = (refusal: string | undefined) => void;

export interface UpkeepPort {
  /** Begins a backup. @returns why it cannot, as an error line. */
  startBackup(): string | undefined;
  /** Unix time in seconds of the last backup that was made; -1 without one. */
  lastBackupSeconds(): number;
  /** Begins to delete the backup. */
  deleteBackup(): string | undefined;
  /** Begins to compact everything, or what belongs to a namespace. @returns why it cannot, as an error line. */
  startCompaction(namespace: Namespace | undefined): string | undefined;
  flushMemtables(answer: UpkeepAnswer): void;
  /** @returns why it cannot, as an error line. */
  flushBlockCache(): string | undefined;
  /** RocksDB's figures as JSON. */
  statistics(): string;
}

const flags: readonly CommandFlag[] = ['no-script'];
const adminFlags: readonly CommandFlag[] = ['admin', ...flags];

function base(name: string, arity: number, of: readonly CommandFlag[], since: string) {
  return { name, arity, flags: of, keys: noKeys, group: 'server', since, complexity: 'O(1)' } as const;
}

/** Redis' option; there is never a rewrite of an append-only file to wait for. */
function parseSave(request: Request): null | Refusal {
  return request.count === 1 || (request.count === 2 && request.is(1, 'schedule')) ? null : new Refusal(errors.syntax);
}

function bgsave(port: UpkeepPort): CommandDefinition {
  return define<null>({
    ...base('bgsave', -1, adminFlags, '1.0.0'),
    summary: 'Makes a backup in backup-dir: hard links where the file system allows, so it takes little time and room.',
    parse: parseSave,
    run: (_call, _input, reply) => {
      const refusal = port.startBackup();
      if (refusal === undefined) reply.ok();
      else reply.error(refusal);
    },
  });
}

function lastsave(port: UpkeepPort): CommandDefinition {
  return define<'seconds' | 'text'>({
    ...base('lastsave', -1, ['admin', 'loading', 'stale', 'fast'], '1.0.0'),
    summary: 'Unix time in seconds of the last backup, -1 without one; with ISO8601 as a text.',
    parse: (request) => {
      if (request.count === 1) return 'seconds';
      return request.count === 2 && request.is(1, 'iso8601') ? 'text' : new Refusal(errors.syntax);
    },
    run: (_call, form, reply) => {
      const seconds = port.lastBackupSeconds();
      if (form === 'seconds') reply.integer(seconds);
      else reply.bulkText(seconds < 0 ? '' : new Date(seconds * 1000).toISOString());
    },
  });
}

function flushbackup(port: UpkeepPort): CommandDefinition {
  return define<null>({
    ...base('flushbackup', 1, adminFlags, 'Kvrocks 1.0.0'),
    summary: 'Deletes the backup.',
    parse: () => null,
    run: (_call, _input, reply) => {
      const refusal = port.deleteBackup();
      if (refusal === undefined) reply.ok();
      else reply.error(refusal);
    },
  });
}

function compact(port: UpkeepPort): CommandDefinition {
  return define<null>({
    ...base('compact', 1, flags, 'Kvrocks 1.0.0'),
    complexity: 'Rewrites every file in the background.',
    summary: 'Compacts the database in the background; of the user of a namespace, what belongs to that.',
    parse: () => null,
    run: ({ session, namespace }, _input, reply) => {
      const refusal = port.startCompaction(session.admin ? undefined : namespace);
      if (refusal === undefined) reply.ok();
      else reply.error(refusal);
    },
  });
}

function parseAsync(request: Request): 'wait' | 'async' | Refusal {
  if (request.count === 1) return 'wait';
  return request.count === 2 && request.is(1, 'async') ? 'async' : new Refusal(errors.syntax);
}

/** Answers when it has ended. */
function later({ session }: Call, begin: (answer: UpkeepAnswer) => void): void {
  const deferred = session.defer();
  begin((refusal) => deferred.complete((reply) => (refusal === undefined ? reply.ok() : reply.error(refusal))));
}

function flushmemtable(port: UpkeepPort): CommandDefinition {
  return define<'wait' | 'async'>({
    ...base('flushmemtable', -1, [...adminFlags, 'no-multi'], 'Kvrocks 2.13.0'),
    complexity: 'O(size of the memtables)',
    summary: 'Writes the memtables to files; with ASYNC without waiting for the end.',
    parse: parseAsync,
    run: (call, form, reply) => {
      if (form === 'wait') later(call, (answer) => port.flushMemtables(answer));
      else {
        port.flushMemtables(() => undefined);
        reply.ok();
      }
    },
  });
}

function flushblockcache(port: UpkeepPort): CommandDefinition {
  return define<null>({
    ...base('flushblockcache', 1, adminFlags, 'Kvrocks 2.13.0'),
    summary: 'Empties the block cache, but for what is being read.',
    parse: () => null,
    run: (_call, _input, reply) => {
      const refusal = port.flushBlockCache();
      if (refusal === undefined) reply.ok();
      else reply.error(refusal);
    },
  });
}

function stats(port: UpkeepPort): CommandDefinition {
  return define<null>({
    ...base('stats', 1, ['loading', 'stale'], 'Kvrocks 1.0.0'),
    summary: "RocksDB's figures as JSON; those of INFO rocksdb.",
    parse: () => null,
    run: (_call, _input, reply) => reply.bulkText(port.statistics()),
  });
}

function kprofile(): CommandDefinition {
  return define<null>({
    ...base('kprofile', -2, ['admin', 'no-script'], 'Kvrocks 2.13.0'),
    summary: 'Refused: it profiles the memory of jemalloc, which this server does not use.',
    parse: () => null,
    run: (_call, _input, reply) =>
      reply.error('ERR memory profiling is not supported: this server does not use jemalloc'),
  });
}

export function upkeepCommands(port: UpkeepPort): CommandDefinition[] {
  return [
    bgsave(port),
    lastsave(port),
    flushbackup(port),
    compact(port),
    flushmemtable(port),
    flushblockcache(port),
    stats(port),
    kprofile(),
  ];
}
