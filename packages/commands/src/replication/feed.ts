/**
 * What a replica says to its master: REPLCONF, PSYNC, _FETCH_META, _FETCH_FILE, _DB_NAME. Kvrocks
 * `src/commands/cmd_replication.cc`; `capa` is Redis' own way to say what a replica can do.
 */
import { define, noKeys, Refusal, type CommandDefinition } from '../command.ts';
import type { Request } from '@holdfast/resp';
import type { Announcement, ReplicationPort } from './port.ts';

const replicationIdLength = 16;
const listeningPortMax = 65_534;

/** What a replica of ours may offer; any other capability is refused, so that a newer peer knows. */
const knownCapabilities: readonly string[] = ['holdfast-ack'];

export function parseReplconf(request: Request): Announcement | Refusal {
  if (request.count % 2 === 0) return new Refusal('ERR wrong number of arguments');
  const said: { listeningPort?: number; host?: string; capability?: string } = {};
  for (let i = 1; i < request.count; i += 2) {
    if (request.is(i, 'listening-port')) {
      const port = request.integer(i + 1);
      if (!(port >= 1 && port <= listeningPortMax))
        return new Refusal('ERR listening-port should be number or out of range');
      said.listeningPort = port;
    } else if (request.is(i, 'ip-address')) {
      if (request.size(i + 1) === 0) return new Refusal('ERR ip-address should not be empty');
      said.host = request.latin1(i + 1);
    } else if (request.is(i, 'capa') && knownCapabilities.includes(request.latin1(i + 1))) {
      said.capability = request.latin1(i + 1);
    } else return new Refusal('ERR unknown option');
  }
  return said;
}

function replconf(port: ReplicationPort): CommandDefinition {
  return define<Announcement>({
    name: 'replconf',
    arity: -3,
    flags: ['readonly', 'replication', 'no-script'],
    keys: noKeys,
    group: 'replication',
    since: '3.0.0',
    complexity: 'O(1)',
    summary: 'Tells the master who the replica is.',
    parse: parseReplconf,
    run(call, announcement, reply): void {
      port.announce(call.session, announcement);
      reply.ok();
    },
  });
}

interface PsyncInput {
  readonly nextSequence: number;
  readonly replicationId: string | undefined;
}

export function parsePsync(request: Request): PsyncInput | Refusal {
  const hasId = request.count === 3;
  const text = request.latin1(hasId ? 2 : 1);
  if (!/^[0-9]{1,20}$/.test(text)) return new Refusal('ERR value is not an unsigned long long or out of range');
  if (hasId && request.size(1) !== replicationIdLength) return new Refusal('ERR Wrong replication id length');
  // Beyond 2^53 lies beyond any log: it is refused as out of range when it is compared.
  return { nextSequence: Number(text), replicationId: hasId ? request.latin1(1) : undefined };
}

function psync(port: ReplicationPort): CommandDefinition {
  return define<PsyncInput>({
    name: 'psync',
    arity: -2,
    flags: ['readonly', 'replication', 'no-multi', 'no-script'],
    keys: noKeys,
    group: 'replication',
    since: '2.8.0',
    complexity: 'O(1), then the stream',
    summary: 'Turns the connection into a stream of the write-ahead log from a sequence on.',
    parse: parsePsync,
    run(call, request, reply): void {
      const refusal = port.attach(call.session, request);
      if (refusal !== undefined) reply.error(refusal);
    },
  });
}

function fetchMeta(port: ReplicationPort): CommandDefinition {
  return define<null>({
    name: '_fetch_meta',
    arity: 1,
    flags: ['readonly', 'replication', 'no-multi', 'no-script'],
    keys: noKeys,
    group: 'replication',
    since: 'Kvrocks 1.0',
    complexity: 'O(N) in the number of files',
    summary: "Names the files of a checkpoint of the master's database.",
    parse: () => null,
    run(call): void {
      port.sendCheckpointNames(call.session);
    },
  });
}

function fetchFile(port: ReplicationPort): CommandDefinition {
  return define<readonly string[]>({
    name: '_fetch_file',
    arity: 2,
    flags: ['readonly', 'replication', 'no-multi', 'no-script'],
    keys: noKeys,
    group: 'replication',
    since: 'Kvrocks 1.0',
    complexity: 'O(N) in the size of the files',
    summary: 'Sends files of the checkpoint, named as one argument joined by commas.',
    parse: (request) => request.latin1(1).split(','),
    run(call, names): void {
      port.sendCheckpointFiles(call.session, names);
    },
  });
}

function databaseName(port: ReplicationPort): CommandDefinition {
  return define<null>({
    name: '_db_name',
    arity: 1,
    flags: ['readonly', 'replication', 'no-multi'],
    keys: noKeys,
    group: 'replication',
    since: 'Kvrocks 1.0',
    complexity: 'O(1)',
    summary: "The directive db-name, as a bare line without a type: a replica's must be the same.",
    parse: () => null,
    run(_call, _input, reply): void {
      reply.raw(Buffer.from(`${port.databaseName()}\r\n`));
    },
  });
}

export function feedCommands(port: ReplicationPort): CommandDefinition[] {
  return [replconf(port), psync(port), fetchMeta(port), fetchFile(port), databaseName(port)];
}
