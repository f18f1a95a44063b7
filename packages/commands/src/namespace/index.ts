/**
 * NAMESPACE: whose keys are whose. A token gives a connection the keys of one namespace; `requirepass` gives those of the
 * default one and the right to administer. Tokens are secrets: only administrators see them, and nothing logs them.
 */
import { defaultNamespace } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import {
  Refusal,
  define,
  errors,
  noKeys,
  type CommandDefinition,
  type CommandFlag,
  type SubCommandFacts,
} from '../command.ts';
import type { NamespacePort } from './port.ts';
import { refusalOf, type NamespaceChange } from './rules.ts';

type NamespaceInput = NamespaceChange | { readonly kind: 'get'; readonly name: string } | { readonly kind: 'current' };

const rows: readonly SubCommandFacts[] = [
  {
    name: 'get',
    arity: 3,
    usage: '<name>|*',
    summary: 'Returns the token of a namespace, or with * names and tokens of all.',
  },
  { name: 'add', arity: 4, usage: '<name> <token>', summary: 'Adds a namespace.' },
  { name: 'set', arity: 4, usage: '<name> <token>', summary: 'Adds a namespace, or gives it another token.' },
  { name: 'del', arity: 3, usage: '<name>', summary: 'Takes away a namespace; its keys stay.' },
  { name: 'current', arity: 2, usage: '', summary: 'Returns the namespace of this connection.' },
];

const flags: readonly CommandFlag[] = ['admin', 'no-script', 'no-multi'];
const changeFlags: readonly CommandFlag[] = [...flags, 'write'];
const currentFlags: readonly CommandFlag[] = ['no-script'];
const changes = ['add', 'set', 'del'] as const;

function parse(request: Request): NamespaceInput | Refusal {
  const row = rows.find(({ name }) => request.is(1, name));
  if (row === undefined) return new Refusal('ERR NAMESPACE subcommand must be one of GET, SET, DEL, ADD');
  if (request.count !== row.arity) return new Refusal(errors.syntax);
  if (row.name === 'current') return { kind: 'current' };
  const name = request.utf8(2);
  const kind = changes.find((change) => change === row.name);
  return kind === undefined ? { kind: 'get', name } : { kind, name, token: kind === 'del' ? '' : request.utf8(3) };
}

function writeTokens(port: NamespacePort, name: string, reply: ReplyWriter): void {
  const tokens = port.tokens();
  if (name !== '*') {
    const token = name === defaultNamespace.name ? port.password() : tokens.get(name);
    if (token === undefined || token === '') reply.nil();
    else reply.bulkText(token);
    return;
  }
  reply.array(2 * tokens.size + 2);
  for (const [one, token] of tokens) {
    reply.bulkText(one);
    reply.bulkText(token);
  }
  reply.bulkText(defaultNamespace.name);
  reply.bulkText(port.password());
}

export function namespaceCommands(port: NamespacePort): CommandDefinition[] {
  const command = define<NamespaceInput>({
    name: 'namespace',
    arity: -2,
    flags,
    // Where they are records of the database, changing them is a write like any other; a replica answers for itself.
    flagsOf: (request) => {
      if (request.is(1, 'current')) return currentFlags;
      const isChange = changes.some((change) => request.is(1, change));
      return isChange && port.inDatabase() && !port.isReplica() ? changeFlags : flags;
    },
    keys: noKeys,
    group: 'server',
    since: 'Kvrocks 1.0.0',
    complexity: 'O(number of namespaces)',
    summary: 'Namespaces and their tokens.',
    subCommands: rows,
    parse,
    run: ({ namespace }, input, reply) => {
      if (input.kind === 'current') reply.bulkText(namespace.name);
      else if (input.kind === 'get') writeTokens(port, input.name, reply);
      else {
        const refusal =
          refusalOf(input, port) ?? port.change(input.name, input.kind === 'del' ? undefined : input.token);
        if (refusal === undefined) reply.ok();
        else reply.error(refusal);
      }
    },
  });
  return [command];
}

export type { NamespacePort } from './port.ts';
