/** COMMAND: the command table told to clients, from the declarations themselves. */
import { Glob } from '@holdfast/engine';
import { Request, type ReplyWriter } from '@holdfast/resp';
import { Refusal, define, errors, type CommandDefinition, type CommandFlag } from '../command.ts';
import { commandWithRows, noArguments, subCommand, type SubCommand } from '../sub-command.ts';
import { arityFits, keysOf, type CommandTable } from '../table.ts';
import type { ServerPort } from './port.ts';

/**
 * Our flags that clients know, under their names for them. `fast` is left out: Kvrocks' own suite wants GET to be `readonly`
 * and nothing else.
 */
const shownFlags: Partial<Readonly<Record<CommandFlag, string>>> = {
  admin: 'admin',
  loading: 'loading',
  stale: 'stale',
  noauth: 'no_auth',
  'no-multi': 'no_multi',
  'no-script': 'noscript',
  pubsub: 'pubsub',
  blocking: 'blocking',
};

/** Flags as COMMAND shows them. As in Kvrocks, everything that does not write is `readonly`. */
export function flagNames({ flags, keyIndexes }: CommandDefinition): string[] {
  const names = [flags.includes('write') ? 'write' : 'readonly'];
  for (const flag of flags) {
    const shown = shownFlags[flag];
    if (shown !== undefined) names.push(shown);
  }
  if (keyIndexes !== undefined) names.push('movablekeys');
  return names;
}

/** The six elements of Kvrocks (and of Redis before 7). */
function writeEntry(definition: CommandDefinition, reply: ReplyWriter): void {
  const { name, arity, keys } = definition;
  reply.array(6);
  reply.bulkLatin1(name);
  reply.integer(arity);
  const flags = flagNames(definition);
  reply.set(flags.length);
  for (const flag of flags) reply.simple(flag);
  for (const position of [keys.first, keys.last, keys.step]) reply.integer(position);
}

function writeDocs(definition: CommandDefinition, reply: ReplyWriter): void {
  const fields = ['summary', 'since', 'group', 'complexity'] as const;
  const rows = definition.subCommands ?? [];
  reply.bulkLatin1(definition.name);
  reply.map(fields.length + (rows.length > 0 ? 1 : 0));
  for (const field of fields) {
    reply.bulkText(field);
    reply.bulkText(definition[field]);
  }
  if (rows.length === 0) return;
  reply.bulkText('subcommands');
  reply.map(rows.length);
  for (const { name, summary } of rows) {
    reply.bulkText(`${definition.name}|${name}`);
    reply.map(2);
    reply.bulkText('summary');
    reply.bulkText(summary);
    reply.bulkText('group');
    reply.bulkText(definition.group);
  }
}

function namesOf(request: Request): string[] {
  return Array.from({ length: request.count - 2 }, (_, i) => request.latin1(i + 2));
}

/** A command by the name it is called by; `config|get` is a sub-command of `config`. */
function named(table: CommandTable, name: string): CommandDefinition | undefined {
  const [command = '', sub, more] = name.toLowerCase().split('|');
  if (more !== undefined) return undefined;
  const definition = table.get(command);
  if (sub === undefined) return definition;
  const row = definition?.subCommands?.find((one) => one.name === sub);
  if (definition === undefined || row === undefined) return undefined;
  const { arity, summary } = row;
  return { ...definition, name: `${definition.name}|${sub}`, arity, summary, subCommands: [] };
}

/** The commands named, or all that are declared when none is, as in Kvrocks whatever they are called or whether at all. */
function chosen(table: CommandTable, names: readonly string[]): CommandDefinition[] {
  if (names.length === 0) return [...table.declared];
  return names.map((name) => named(table, name)).filter((definition) => definition !== undefined);
}

/** The request that begins at the third argument. */
function innerRequest(request: Request): Request {
  const inner = new Request();
  inner.buffer = request.buffer;
  inner.count = request.count - 2;
  inner.bounds = request.bounds.slice(4, 2 * request.count);
  return inner;
}

interface InnerKeys {
  readonly keys: readonly Buffer[];
  readonly isWrite: boolean;
}

/** Keys of the command that follows COMMAND GETKEYS. */
export function keysOfInner(table: CommandTable, request: Request): InnerKeys | Refusal {
  const inner = innerRequest(request);
  const definition = table.lookup(inner);
  if (definition === undefined) return new Refusal('ERR Invalid command specified');
  if (definition.keys.first === 0 && definition.keyIndexes === undefined)
    return new Refusal('ERR The command has no key arguments');
  if (!arityFits(definition, inner)) return new Refusal('ERR Invalid number of arguments specified for command');
  const indexes = keysOf(definition, inner);
  // Scripts may do without.
  const mayBeNone = definition.group === 'scripting';
  if ((indexes.length === 0 && !mayBeNone) || indexes.some((index) => index >= inner.count))
    return new Refusal('ERR Invalid arguments specified for command');
  const flags = definition.flagsOf?.(inner) ?? definition.flags;
  return { keys: indexes.map((index) => inner.bytes(index)), isWrite: flags.includes('write') };
}

interface ListInput {
  readonly group: string | undefined;
  readonly pattern: Glob | undefined;
}

function parseList(request: Request): ListInput | Refusal {
  if (request.count === 2) return { group: undefined, pattern: undefined };
  if (request.count !== 5 || !request.is(2, 'filterby')) return new Refusal(errors.syntax);
  const value = request.latin1(4).toLowerCase();
  if (request.is(3, 'pattern')) return { group: undefined, pattern: new Glob(Buffer.from(value, 'latin1')) };
  if (request.is(3, 'aclcat')) return { group: value.replace(/^@/, ''), pattern: undefined };
  // There are no modules, so none of their commands either.
  return request.is(3, 'module') ? { group: '', pattern: undefined } : new Refusal(errors.syntax);
}

/** A command and its sub-commands, `config|get`. */
function namesWithin({ name, subCommands = [] }: CommandDefinition): string[] {
  return [name, ...subCommands.map((row) => `${name}|${row.name}`)];
}

function matchesName(pattern: Glob, name: string): boolean {
  return pattern.matches({ buffer: Buffer.from(name), start: 0, end: name.length });
}

function tellRows({ commands }: ServerPort): SubCommand[] {
  return [
    subCommand<null>({
      name: 'count',
      arity: 2,
      usage: '',
      summary: 'Returns the number of commands.',
      parse: noArguments,
      run: (_call, _input, reply) => reply.integer(commands.size),
    }),
    subCommand<readonly string[]>({
      name: 'info',
      arity: -2,
      usage: '[<command> ...]',
      summary: 'Returns name, arity, flags and key positions.',
      parse: namesOf,
      run: (_call, names, reply) => {
        const found = names.length === 0 ? commands.declared : names.map((name) => named(commands, name));
        reply.array(found.length);
        for (const definition of found) {
          if (definition === undefined) reply.nilArray();
          else writeEntry(definition, reply);
        }
      },
    }),
    subCommand<readonly string[]>({
      name: 'docs',
      arity: -2,
      usage: '[<command> ...]',
      summary: 'Returns what commands are for.',
      parse: namesOf,
      run: (_call, names, reply) => {
        const found = chosen(commands, names);
        reply.map(found.length);
        for (const definition of found) writeDocs(definition, reply);
      },
    }),
  ];
}

function findRows({ commands }: ServerPort): SubCommand[] {
  return [
    subCommand<InnerKeys>({
      name: 'getkeys',
      arity: -3,
      usage: '<command> [<arg> ...]',
      summary: 'Returns the keys among the arguments of a command.',
      parse: (request) => keysOfInner(commands, request),
      run: (_call, { keys }, reply) => {
        reply.array(keys.length);
        for (const key of keys) reply.bulk(key);
      },
    }),
    subCommand<InnerKeys>({
      name: 'getkeysandflags',
      arity: -3,
      usage: '<command> [<arg> ...]',
      summary:
        'Returns the keys among the arguments of a command, each with whether the command may change or only reads it.',
      parse: (request) => keysOfInner(commands, request),
      run: (_call, { keys, isWrite }, reply) => {
        reply.array(keys.length);
        for (const key of keys) {
          reply.array(2);
          reply.bulk(key);
          reply.set(2);
          for (const flag of isWrite ? ['RW', 'access'] : ['RO', 'access']) reply.simple(flag);
        }
      },
    }),
    subCommand<ListInput>({
      name: 'list',
      arity: -2,
      usage: '[FILTERBY <MODULE|ACLCAT|PATTERN> <value>]',
      summary: 'Returns the names of commands.',
      parse: parseList,
      run: (_call, { group, pattern }, reply) => {
        const found = [...commands]
          .filter(
            (definition) => group === undefined || definition.group === group || flagNames(definition).includes(group),
          )
          .flatMap(namesWithin)
          .filter((name) => pattern === undefined || matchesName(pattern, name));
        reply.array(found.length);
        for (const name of found) reply.bulkLatin1(name);
      },
    }),
  ];
}

export function commandCommand(port: ServerPort): CommandDefinition {
  return define(
    commandWithRows({
      name: 'command',
      flags: ['loading', 'stale'],
      group: 'server',
      since: '2.8.13',
      summary: 'Tells of the commands of this server.',
      rows: [...tellRows(port), ...findRows(port)],
      alone: (_call, reply) => {
        reply.array(port.commands.declared.length);
        for (const definition of port.commands.declared) writeEntry(definition, reply);
      },
    }),
  );
}
