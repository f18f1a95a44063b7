/** MOVE, which has nowhere to move to, and Kvrocks' MOVEX, which moves a key to another namespace. */
import type { DataTypes, Namespace } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { itself, keyOf } from '../data/arguments.ts';
import { authenticationErrors, sameSecret } from '../connection/authentication.ts';
import type { ConnectionPort } from '../connection/port.ts';
import { notify } from '../events.ts';

/** As in Kvrocks there is one database a namespace: a key that exists counts as moved, and stays. */
export function moveCommand({ keyspace }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'move',
    arity: 3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Answers whether the key exists and leaves it where it is: there is one database.',
    parse: (request) => (request.int64(2) === undefined ? new Refusal(errors.notInteger) : request),
    run: (call, request, reply) => reply.integer(keyspace.exists(keyOf(call, request, 1), call.nowMs) ? 1 : 0),
  });
}

/** What MOVEX needs of the node: whose token it is, as for AUTH. */
export type MovePort = Pick<ConnectionPort, 'password' | 'namespaceTokens' | 'namespaceNamed' | 'defaultNamespace'>;

/** The namespace of a token or of the password; an error line when it is nobody's. Every token is compared, as for AUTH. */
function namespaceOfSecret(port: MovePort, secret: Uint8Array): Namespace | string {
  const password = port.password();
  if (password === '') return 'ERR Forbidden to move key when requirepass is empty';
  let found: string | undefined;
  for (const [name, token] of port.namespaceTokens()) if (sameSecret(secret, token)) found ??= name;
  const isAdmin = sameSecret(secret, password);
  if (found !== undefined) return port.namespaceNamed(found);
  return isAdmin ? port.defaultNamespace : authenticationErrors.wrong;
}

export function moveXCommand({ keyspace }: DataTypes, port: MovePort): CommandDefinition {
  return define<Request>({
    name: 'movex',
    arity: 3,
    flags: ['write', 'slow'],
    keys: firstKey,
    group: 'generic',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(N) where N is the number of elements: they are written under the new name.',
    summary: 'Moves a key to the namespace of a token, unless it exists there.',
    parse: itself,
    run(call, request, reply) {
      const namespace = namespaceOfSecret(port, request.bytes(2));
      if (typeof namespace === 'string') return reply.error(namespace);
      const from = keyOf(call, request, 1);
      const to = { ...from, namespace };
      if (namespace.name === call.namespace.name || keyspace.exists(to, call.nowMs)) return reply.integer(0);
      if (!keyspace.copy(from, to, call.nowMs, true)) return reply.integer(0);
      notify(call, 'g', 'move_from', from);
      call.events?.emit('g', 'move_to', namespace, to);
      reply.integer(1);
    },
  });
}
