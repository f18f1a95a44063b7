/**
 * Commands whose first argument is a word that says what to do (CLIENT LIST, CONFIG GET). Each sub-command is declared
 * as a row; parsing, arity, flags and HELP read that row, and the refusals are Redis 7.2's.
 */
import type { ReplyWriter, Request } from '@holdfast/resp';
import {
  Refusal,
  noKeys,
  type Call,
  type CommandDefinition,
  type CommandFlag,
  type SubCommandFacts,
} from './command.ts';

export interface SubCommand<Input = unknown> extends SubCommandFacts {
  /** Added to the command's own flags. */
  readonly flags?: readonly CommandFlag[];
  parse(request: Request): Input | Refusal;
  run(call: Call, input: Input, reply: ReplyWriter): void;
}

/** Erases the input type for a list of rows; `parse` and `run` of one row always belong together. */
export function subCommand<Input>(row: SubCommand<Input>): SubCommand {
  return row as SubCommand;
}

interface Chosen {
  readonly row: SubCommand | 'help';
  readonly input: unknown;
}

export interface CommandWithRows {
  readonly name: string;
  readonly flags: readonly CommandFlag[];
  readonly group: string;
  readonly since: string;
  readonly summary: string;
  readonly rows: readonly SubCommand[];
  /** What the command does without a sub-command; refused for its arity when absent. */
  readonly alone?: (call: Call, reply: ReplyWriter) => void;
}

/** Length of an unknown sub-command's name that its refusal repeats, in bytes. */
const shownBytesMax = 128;

/** Makes one command of its rows; HELP comes by itself. */
export function commandWithRows(of: CommandWithRows): CommandDefinition<Chosen | undefined> {
  const { name, flags, rows, alone } = of;
  const rowOf = (request: Request): SubCommand | undefined => rows.find((row) => request.is(1, row.name));
  return {
    name,
    arity: alone === undefined ? -2 : -1,
    flags,
    keys: noKeys,
    flagsOf: (request) => {
      const own = request.count > 1 ? rowOf(request)?.flags : undefined;
      return own === undefined ? flags : [...flags, ...own];
    },
    group: of.group,
    since: of.since,
    complexity: 'Depends on the sub-command.',
    summary: of.summary,
    subCommands: [...rows, helpFacts],
    parse(request): Chosen | undefined | Refusal {
      if (request.count === 1) return undefined;
      const row = rowOf(request);
      if (row === undefined) return request.is(1, 'help') ? parseHelp(name, request) : unknown(name, request);
      const fits = row.arity >= 0 ? request.count === row.arity : request.count >= -row.arity;
      if (!fits) return new Refusal(`ERR wrong number of arguments for '${name}|${row.name}' command`);
      const input = row.parse(request);
      return input instanceof Refusal ? input : { row, input };
    },
    run(call, chosen, reply): void {
      if (chosen === undefined) alone?.(call, reply);
      else if (chosen.row === 'help') writeHelp(of, reply);
      else chosen.row.run(call, chosen.input, reply);
    },
  };
}

const helpFacts: SubCommandFacts = { name: 'help', arity: 2, usage: '', summary: 'Returns how these are used.' };
const help: Chosen = { row: 'help', input: undefined };

function parseHelp(command: string, request: Request): Chosen | Refusal {
  return request.count === 2 ? help : new Refusal(`ERR wrong number of arguments for '${command}|help' command`);
}

function unknown(command: string, request: Request): Refusal {
  const shown = request.latin1(1).slice(0, shownBytesMax);
  return new Refusal(`ERR unknown subcommand '${shown}'. Try ${command.toUpperCase()} HELP.`);
}

function writeHelp({ name, rows }: CommandWithRows, reply: ReplyWriter): void {
  reply.array(1 + 2 * rows.length);
  reply.simple(`${name.toUpperCase()} <subcommand> [<arg> ...]. Subcommands are:`);
  for (const row of rows) {
    reply.simple(row.usage === '' ? row.name.toUpperCase() : `${row.name.toUpperCase()} ${row.usage}`);
    reply.simple(`    ${row.summary}`);
  }
}

/** `parse` of a row without arguments. */
export function noArguments(): null {
  return null;
}
