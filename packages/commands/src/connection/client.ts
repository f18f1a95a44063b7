/** CLIENT: who is connected, as what, and ending them. A namespace's user sees and ends clients of that namespace only. */
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, type Call, type CommandDefinition } from '../command.ts';
import { commandWithRows, noArguments, subCommand, type SubCommand } from '../sub-command.ts';
import { clientTypes, hasType, parseKill, type KillInput } from './client-kill.ts';
import { pauseRows } from './client-pause.ts';
import { clientLine } from './client-text.ts';
import type { ClientFacts, ConnectionPort } from './port.ts';

interface ListInput {
  readonly type: string | undefined;
  readonly ids: ReadonlySet<number> | undefined;
}

export function parseList(request: Request): ListInput | Refusal {
  if (request.count === 2) return { type: undefined, ids: undefined };
  if (request.is(2, 'type') && request.count === 4) {
    const type = request.latin1(3).toLowerCase();
    if (clientTypes.some((known) => known === type)) return { type, ids: undefined };
    return new Refusal(`ERR Unknown client type '${request.latin1(3).slice(0, 64)}'`);
  }
  if (!request.is(2, 'id') || request.count === 3) return new Refusal(errors.syntax);
  const ids = new Set<number>();
  for (let i = 3; i < request.count; i++) {
    const id = request.integer(i);
    if (Number.isNaN(id)) return new Refusal('ERR Invalid client ID');
    ids.add(id);
  }
  return { type: undefined, ids };
}

/** Printable ASCII without blanks, as CLIENT SETNAME demands: lines of CLIENT LIST stay divisible. */
function isPlain(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

function plainArgument(request: Request, index: number, what: string): string | Refusal {
  const text = request.latin1(index);
  return isPlain(text) ? text : new Refusal(`ERR ${what} cannot contain spaces, newlines or special characters.`);
}

interface LibraryInput {
  readonly field: 'libraryName' | 'libraryVersion';
  readonly value: string;
}

function parseSetInfo(request: Request): LibraryInput | Refusal {
  const field = request.is(2, 'lib-name') ? 'libraryName' : request.is(2, 'lib-ver') ? 'libraryVersion' : undefined;
  if (field === undefined) return new Refusal(`ERR Unrecognized option '${request.latin1(2).slice(0, 64)}'`);
  const value = plainArgument(request, 3, request.latin1(2).toLowerCase());
  return value instanceof Refusal ? value : { field, value };
}

/** One of some words as an argument. */
function parseWord<Word extends string>(request: Request, index: number, words: readonly Word[]): Word | Refusal {
  return words.find((word) => request.is(index, word)) ?? new Refusal(errors.syntax);
}

function nameRows(): SubCommand[] {
  return [
    subCommand<null>({
      name: 'id',
      arity: 2,
      usage: '',
      summary: 'Returns the id of this connection.',
      parse: noArguments,
      run: (call, _input, reply) => reply.integer(call.session.id),
    }),
    subCommand<null>({
      name: 'getname',
      arity: 2,
      usage: '',
      summary: 'Returns the name of this connection.',
      parse: noArguments,
      run: (call, _input, reply) => {
        if (call.session.name === '') reply.nil();
        else reply.bulkLatin1(call.session.name);
      },
    }),
    subCommand<string>({
      name: 'setname',
      arity: 3,
      usage: '<name>',
      summary: 'Gives this connection a name; an empty one takes it away.',
      parse: (request) => plainArgument(request, 2, 'Client names'),
      run: (call, name, reply) => {
        call.session.name = name;
        reply.ok();
      },
    }),
    subCommand<LibraryInput>({
      name: 'setinfo',
      arity: 4,
      usage: '<LIB-NAME|LIB-VER> <value>',
      summary: 'Says which client library this connection uses.',
      parse: parseSetInfo,
      run: (call, { field, value }, reply) => {
        call.session[field] = value;
        reply.ok();
      },
    }),
  ];
}

/** There is no client-side caching: clients that ask what is tracked learn that nothing is. */
function trackingRows(): SubCommand[] {
  return [
    subCommand<'on' | 'off'>({
      name: 'tracking',
      arity: -3,
      usage: 'OFF',
      summary: 'Accepts OFF; client-side caching is not supported.',
      parse: (request) => parseWord(request, 2, ['on', 'off']),
      run: (_call, mode, reply) => {
        if (mode === 'off') reply.ok();
        else reply.error('ERR CLIENT TRACKING is not supported: this server does not track what clients cache');
      },
    }),
    subCommand<null>({
      name: 'trackinginfo',
      arity: 2,
      usage: '',
      summary: 'Returns that nothing is tracked.',
      parse: noArguments,
      run: (_call, _input, reply) => {
        reply.map(3);
        reply.bulkText('flags');
        reply.set(1);
        reply.bulkText('off');
        reply.bulkText('redirect');
        reply.integer(-1);
        reply.bulkText('prefixes');
        reply.array(0);
      },
    }),
    subCommand<null>({
      name: 'getredir',
      arity: 2,
      usage: '',
      summary: 'Returns -1: nothing is tracked.',
      parse: noArguments,
      run: (_call, _input, reply) => reply.integer(-1),
    }),
    subCommand<'yes' | 'no'>({
      name: 'caching',
      arity: 3,
      usage: '<YES|NO>',
      summary: 'Refused: nothing is tracked.',
      parse: (request) => parseWord(request, 2, ['yes', 'no']),
      run: (_call, word, reply) =>
        reply.error(
          `ERR CLIENT CACHING ${word.toUpperCase()} is only valid when tracking is enabled in OPT${word === 'yes' ? 'IN' : 'OUT'} mode.`,
        ),
    }),
  ];
}

function modeRows(): SubCommand[] {
  return [
    subCommand<'on' | 'off'>({
      name: 'no-touch',
      arity: 3,
      usage: '<ON|OFF>',
      summary: 'Accepted without effect: nothing is evicted for not having been used.',
      parse: (request) => parseWord(request, 2, ['on', 'off']),
      run: (_call, _mode, reply) => reply.ok(),
    }),
    subCommand<'on' | 'off'>({
      name: 'no-evict',
      arity: 3,
      usage: '<ON|OFF>',
      summary: 'Marks this connection as not to be evicted.',
      parse: (request) => parseWord(request, 2, ['on', 'off']),
      run: (call, mode, reply) => {
        call.session.noEvict = mode === 'on';
        reply.ok();
      },
    }),
    subCommand<'on' | 'off' | 'skip'>({
      name: 'reply',
      arity: 3,
      usage: '<ON|OFF|SKIP>',
      summary: 'Turns replies to this connection on or off, or leaves the next one out.',
      // Inside MULTI it would leave elements out of EXEC's array.
      flags: ['no-multi'],
      parse: (request) => parseWord(request, 2, ['on', 'off', 'skip']),
      run: ({ session }, mode, reply) => {
        if (mode !== 'skip' || session.replyMode === 'on') session.replyMode = mode;
        if (mode === 'on') reply.ok();
      },
    }),
  ];
}

/** Clients the caller may know of. */
function visibleClients(port: ConnectionPort, { session }: Call): ClientFacts[] {
  return [...port.clients()].filter((client) => session.admin || client.namespace.name === session.namespace.name);
}

function listRows(port: ConnectionPort): SubCommand[] {
  return [
    subCommand<ListInput>({
      name: 'list',
      arity: -2,
      usage: '[TYPE <normal|master|replica|pubsub> | ID <id> [<id> ...]]',
      summary: 'Returns a line for each connection.',
      parse: parseList,
      run: (call, { type, ids }, reply) => {
        const listed = visibleClients(port, call).filter(
          (client) => (type === undefined || hasType(client, type)) && (ids === undefined || ids.has(client.id)),
        );
        reply.verbatim(
          listed.map((client) => `${clientLine(client, port.subscriptionCounts(client), call.nowMs)}\n`).join(''),
        );
      },
    }),
    subCommand<null>({
      name: 'info',
      arity: 2,
      usage: '',
      summary: 'Returns the line of this connection.',
      parse: noArguments,
      run: (call, _input, reply) => {
        const self = visibleClients(port, call).find(({ id }) => id === call.session.id);
        reply.verbatim(self === undefined ? '' : `${clientLine(self, port.subscriptionCounts(self), call.nowMs)}\n`);
      },
    }),
    subCommand<KillInput>({
      name: 'kill',
      arity: -3,
      usage: '<addr:port> | <ADDR|LADDR|ID|TYPE|USER|SKIPME> <value> [...]',
      summary: 'Closes connections.',
      parse: parseKill,
      run: (call, input, reply) => {
        const killed = kill(port, call, input);
        if (input.kind === 'filters') reply.integer(killed);
        else if (killed > 0) reply.ok();
        else reply.error('ERR No such client');
      },
    }),
  ];
}

/** Closes what matches, the caller after its reply. Number of connections. */
function kill(port: ConnectionPort, call: Call, input: KillInput): number {
  const own = call.session.id;
  const matches = (client: ClientFacts): boolean =>
    input.kind === 'address'
      ? client.peer === input.address
      : !(input.skipMe && client.id === own) && input.filters.every((filter) => filter(client));
  const killed = visibleClients(port, call).filter(matches);
  for (const { id } of killed) {
    if (id === own) call.session.closeAfterReply();
    else port.disconnect(id);
  }
  return killed.length + (call.session.admin ? killLinks(port, input) : 0);
}

/** Links of replication are no clients: they are ended by their type, or by the address at the other end. */
function killLinks(port: ConnectionPort, input: KillInput): number {
  if (input.kind === 'address') return port.killLinks({ address: input.address });
  return input.linkType === undefined ? 0 : port.killLinks({ type: input.linkType });
}

export function clientCommand(port: ConnectionPort): CommandDefinition {
  return define(
    commandWithRows({
      name: 'client',
      flags: ['loading', 'stale', 'no-script'],
      group: 'connection',
      since: '2.4.0',
      summary: 'Connections of clients: who they are, and closing them.',
      rows: [...nameRows(), ...listRows(port), ...modeRows(), ...trackingRows(), ...pauseRows(port)],
    }),
  );
}
