/** CONFIG: directives at run time, several at once as in Redis 7. */
import type { Request } from '@holdfast/resp';
import { Refusal, define, type CommandDefinition } from '../command.ts';
import { commandWithRows, noArguments, subCommand } from '../sub-command.ts';
import type { ServerPort } from './port.ts';

type Pairs = readonly (readonly [name: string, value: string])[];

function pairsOf(request: Request): Pairs | Refusal {
  if (request.count % 2 !== 0) return new Refusal("ERR wrong number of arguments for 'config|set' command");
  return Array.from({ length: request.count / 2 - 1 }, (_, i) => [request.utf8(2 * i + 2), request.utf8(2 * i + 3)]);
}

function patternsOf(request: Request): string[] {
  return Array.from({ length: request.count - 2 }, (_, i) => request.utf8(i + 2));
}

export function configCommand(port: ServerPort): CommandDefinition {
  const get = subCommand<readonly string[]>({
    name: 'get',
    arity: -3,
    usage: '<pattern> [<pattern> ...]',
    summary: 'Returns the directives whose names match.',
    parse: patternsOf,
    run: (_call, patterns, reply) => {
      const shown = port.configuration.show(patterns);
      reply.map(shown.length);
      for (const { name, value } of shown) {
        reply.bulkText(name);
        reply.bulkText(value);
      }
    },
  });
  const set = subCommand<Pairs>({
    name: 'set',
    arity: -4,
    usage: '<directive> <value> [<directive> <value> ...]',
    summary: 'Changes directives, all or none, until the next start, or for good with CONFIG REWRITE.',
    parse: pairsOf,
    run: (_call, pairs, reply) => {
      const refusal = port.configuration.set(pairs);
      if (refusal === undefined) reply.ok();
      else reply.error(refusal);
    },
  });
  const rewrite = subCommand<null>({
    name: 'rewrite',
    arity: 2,
    usage: '',
    summary: 'Writes what holds now into the configuration file.',
    parse: noArguments,
    run: (call) => {
      const deferred = call.session.defer();
      port.rewriteConfiguration((refusal) =>
        deferred.complete((late) => (refusal === undefined ? late.ok() : late.error(refusal))),
      );
    },
  });
  const resetStat = subCommand<null>({
    name: 'resetstat',
    arity: 2,
    usage: '',
    summary: 'Begins the counters of INFO anew.',
    parse: noArguments,
    run: (_call, _input, reply) => {
      port.resetStatistics();
      reply.ok();
    },
  });
  return define(
    commandWithRows({
      name: 'config',
      flags: ['admin', 'loading', 'stale', 'no-script'],
      group: 'server',
      since: '2.0.0',
      summary: 'Shows and changes the configuration.',
      rows: [get, set, rewrite, resetStat],
    }),
  );
}
