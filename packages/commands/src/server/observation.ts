/** SLOWLOG PERFLOG MONITOR, and LATENCY (latency.ts): what was executed, and how long it took. Slow commands are told as Redis 7.2 does. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, noKeys, type CommandDefinition } from '../command.ts';
import type { Session } from '../session.ts';
import { commandWithRows, noArguments, subCommand, type SubCommand } from '../sub-command.ts';
import { latencyCommand, type LatencyPort } from './latency.ts';

/** One slow command, arguments cut and secrets taken out already. */
export interface SlowCommand {
  readonly id: number;
  /** Unix time in ms when it began. */
  readonly beganAtMs: number;
  readonly durationUs: number;
  readonly args: readonly Buffer[];
  readonly peer: string;
  readonly clientName: string;
}

/** One sampled command. */
export interface SampledCommand {
  readonly id: number;
  readonly beganAtMs: number;
  readonly durationUs: number;
  readonly name: string;
  /** What RocksDB counted on this thread meanwhile, as its text; empty when it counts nothing. */
  readonly reads: string;
  /** The same of files. */
  readonly files: string;
}

/** Entries of a log, the newest first. */
export interface EntryLog<Entry> {
  readonly length: number;
  newest(count: number): readonly Entry[];
  clear(): void;
}

export interface ObservationPort extends LatencyPort {
  readonly slow: EntryLog<SlowCommand>;
  readonly sampled: EntryLog<SampledCommand>;
  /** From now on the connection is sent what others execute. */
  monitor(session: Session): void;
}

const defaultCount = 10;

/** `GET [count]`; -1 means all. */
function getRow<Entry>(
  log: EntryLog<Entry>,
  write: (entry: Entry, reply: ReplyWriter) => void,
  ofWhat: string,
): SubCommand {
  return subCommand<number>({
    name: 'get',
    arity: -2,
    usage: '[<count>]',
    summary: `Returns the newest ${ofWhat}, ${defaultCount} of them if not told otherwise, -1 for all.`,
    parse: (request: Request) => {
      if (request.count === 2) return defaultCount;
      if (request.count > 3) return new Refusal(errors.syntax);
      const count = request.is(2, '*') ? -1 : request.integer(2);
      if (Number.isNaN(count)) return new Refusal(errors.notInteger);
      if (count < -1) return new Refusal('ERR count should be greater than or equal to -1');
      return count === -1 ? Infinity : count;
    },
    run: (_call, count, reply) => {
      const entries = log.newest(count);
      reply.array(entries.length);
      for (const entry of entries) write(entry, reply);
    },
  });
}

function lenAndReset(log: Pick<EntryLog<unknown>, 'length' | 'clear'>, ofWhat: string): SubCommand[] {
  return [
    subCommand<null>({
      name: 'len',
      arity: 2,
      usage: '',
      summary: `Returns the number of ${ofWhat} remembered.`,
      parse: noArguments,
      run: (_call, _input, reply) => reply.integer(log.length),
    }),
    subCommand<null>({
      name: 'reset',
      arity: 2,
      usage: '',
      summary: `Forgets all ${ofWhat}.`,
      parse: noArguments,
      run: (_call, _input, reply) => {
        log.clear();
        reply.ok();
      },
    }),
  ];
}

function slowlog({ slow }: ObservationPort): CommandDefinition {
  const write = (entry: SlowCommand, reply: ReplyWriter): void => {
    reply.array(6);
    reply.integer(entry.id);
    reply.integer(Math.floor(entry.beganAtMs / 1000));
    reply.integer(Math.round(entry.durationUs));
    reply.array(entry.args.length);
    for (const arg of entry.args) reply.bulk(arg);
    reply.bulkText(entry.peer);
    reply.bulkLatin1(entry.clientName);
  };
  return define(
    commandWithRows({
      name: 'slowlog',
      flags: ['admin', 'loading', 'stale', 'no-script'],
      group: 'server',
      since: '2.2.12',
      summary: 'Commands that took longer than slowlog-log-slower-than.',
      rows: [getRow(slow, write, 'slow commands'), ...lenAndReset(slow, 'slow commands')],
    }),
  );
}

function perflog({ sampled }: ObservationPort): CommandDefinition {
  const write = (entry: SampledCommand, reply: ReplyWriter): void => {
    reply.array(6);
    reply.integer(entry.id);
    reply.integer(Math.floor(entry.beganAtMs / 1000));
    reply.bulkText(entry.name);
    reply.integer(Math.round(entry.durationUs));
    reply.bulkText(entry.reads);
    reply.bulkText(entry.files);
  };
  return define(
    commandWithRows({
      name: 'perflog',
      flags: ['admin', 'loading', 'stale', 'no-script'],
      group: 'server',
      since: 'Kvrocks 1.0.0',
      summary: 'Sampled commands and their durations (profiling-* directives).',
      rows: [getRow(sampled, write, 'sampled commands'), ...lenAndReset(sampled, 'sampled commands')],
    }),
  );
}

function monitor(port: ObservationPort): CommandDefinition {
  return define<null>({
    name: 'monitor',
    arity: 1,
    flags: ['loading', 'stale', 'no-script', 'no-multi'],
    keys: noKeys,
    group: 'server',
    since: '1.0.0',
    complexity: 'O(1)',
    summary:
      'Sends this connection every command that is executed from now on: those of its namespace, an administrator all.',
    parse: () => null,
    run({ session }, _input, reply): void {
      reply.ok();
      port.monitor(session);
    },
  });
}

export function observationCommands(port: ObservationPort): CommandDefinition[] {
  return [slowlog(port), perflog(port), latencyCommand(port), monitor(port)];
}
