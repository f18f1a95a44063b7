/** COMMAND CONFIG INFO DBSIZE FLUSHDB FLUSHALL SHUTDOWN TIME LOLWUT: the server as a whole, and the rest of this folder. */
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, noKeys, type CommandDefinition, type CommandFlag } from '../command.ts';
import { commandCommand } from './command.ts';
import { configCommand } from './config.ts';
import { debugCommand } from './debug.ts';
import { observationCommands } from './observation.ts';
import type { ServerPort } from './port.ts';
import { spaceCommands } from './space.ts';
import { updatesCommands } from './updates.ts';
import { upkeepCommands } from './upkeep.ts';

/** What every command of this family has in common. */
function base(name: string, arity: number, flags: readonly CommandFlag[], since: string) {
  return { name, arity, flags, keys: noKeys, group: 'server', since } as const;
}

function info(port: ServerPort): CommandDefinition {
  return define<readonly string[]>({
    ...base('info', -1, ['loading', 'stale'], '1.0.0'),
    complexity: 'O(1)',
    summary: 'Facts and counters of the node, whole or by section.',
    parse: (request) => Array.from({ length: request.count - 1 }, (_, i) => request.latin1(i + 1).toLowerCase()),
    run: (_call, sections, reply) => reply.verbatim(port.info(sections)),
  });
}

function dbsize(port: ServerPort): CommandDefinition {
  return define<'count' | 'scan'>({
    ...base('dbsize', -1, ['readonly', 'fast'], '1.0.0'),
    complexity: 'O(1)',
    summary: 'Number of keys as last counted; DBSIZE SCAN counts anew in the background.',
    parse(request): 'count' | 'scan' | Refusal {
      if (request.count === 1) return 'count';
      return request.count === 2 && request.is(1, 'scan') ? 'scan' : new Refusal(errors.syntax);
    },
    run({ namespace }, kind, reply): void {
      if (kind === 'count') reply.integer(port.keyCount(namespace));
      else {
        port.startKeyCount(namespace);
        reply.ok();
      }
    },
  });
}

/** Nothing, ASYNC or SYNC: a flush is one range delete either way. */
function parseFlush(request: Request): null | Refusal {
  if (request.count === 1) return null;
  const known = request.count === 2 && (request.is(1, 'async') || request.is(1, 'sync'));
  return known ? null : new Refusal(errors.syntax);
}

function flushdb(port: ServerPort): CommandDefinition {
  return define<null>({
    ...base('flushdb', -1, ['write', 'no-dbsize-check', 'exclusive'], '1.0.0'),
    complexity: 'O(1)',
    summary: "Deletes every key of the connection's namespace.",
    parse: parseFlush,
    run({ namespace }, _input, reply): void {
      port.flush(namespace);
      reply.ok();
    },
  });
}

function flushall(port: ServerPort): CommandDefinition {
  return define<null>({
    ...base('flushall', -1, ['write', 'no-dbsize-check', 'exclusive', 'admin'], '1.0.0'),
    complexity: 'O(1)',
    summary: 'Deletes every key of every namespace.',
    parse: parseFlush,
    run(_call, _input, reply): void {
      port.flush(undefined);
      reply.ok();
    },
  });
}

/** Redis' options are accepted: everything written is already in the log, so they all mean the same. */
function parseShutdown(request: Request): null | Refusal {
  const words = new Set<string>();
  for (let i = 1; i < request.count; i++) {
    const word = ['save', 'nosave', 'now', 'force', 'abort'].find((known) => request.is(i, known));
    if (word === undefined) return new Refusal(errors.syntax);
    words.add(word);
  }
  if (words.has('abort')) return new Refusal(words.size > 1 ? errors.syntax : 'ERR No shutdown in progress.');
  return words.has('save') && words.has('nosave') ? new Refusal(errors.syntax) : null;
}

function shutdown(port: ServerPort): CommandDefinition {
  return define<null>({
    ...base('shutdown', -1, ['admin', 'loading', 'stale', 'no-multi', 'no-script'], '1.0.0'),
    complexity: 'O(1)',
    summary: 'Ends the server. There is no reply; the connection closes.',
    parse: parseShutdown,
    run({ session }): void {
      session.closeAfterReply();
      port.shutDown();
    },
  });
}

function time(): CommandDefinition {
  return define<null>({
    ...base('time', 1, ['fast', 'loading', 'stale'], '2.6.0'),
    complexity: 'O(1)',
    summary: 'The time of the server: Unix seconds, and microseconds within the second.',
    parse: () => null,
    run({ nowMs }, _input, reply): void {
      reply.array(2);
      reply.bulkText(String(Math.floor(nowMs / 1000)));
      reply.bulkText(String((nowMs % 1000) * 1000));
    },
  });
}

function lolwut(port: ServerPort): CommandDefinition {
  return define<null>({
    ...base('lolwut', -1, ['fast', 'loading', 'stale'], '5.0.0'),
    complexity: 'O(1)',
    summary: 'The version, as a text.',
    parse: () => null,
    run: (_call, _input, reply) => reply.verbatim(`${port.versionText}\n`),
  });
}

/** A command clients know and this server cannot have, with what to do instead. */
function refused(name: string, arity: number, since: string, because: string): CommandDefinition {
  return define<null>({
    ...base(name, arity, ['admin', 'no-script'], since),
    complexity: 'O(1)',
    summary: `Refused: ${because}`,
    parse: () => null,
    run: (_call, _input, reply) => reply.error(`ERR ${name.toUpperCase()} is not supported: ${because}`),
  });
}

export function serverCommands(port: ServerPort): CommandDefinition[] {
  return [
    commandCommand(port),
    configCommand(port),
    info(port),
    dbsize(port),
    flushdb(port),
    flushall(port),
    shutdown(port),
    debugCommand(port),
    time(),
    lolwut(port),
    refused('swapdb', 3, '4.0.0', 'namespaces cannot change places.'),
    refused('failover', -1, '6.2.0', 'the controller moves masters, `holdfast ctl switchover` asks it to.'),
    ...observationCommands(port.observation),
    ...upkeepCommands(port.upkeep),
    ...updatesCommands(port.updates),
    ...spaceCommands(port.space),
  ];
}

export type { ConfigurationPort, ServerPort } from './port.ts';
