/** Compare and act: Kvrocks' CAS and CAD, and DELEX. */
import { sameBytes, type DataTypes } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { expireMsOf, invalidExpire, isTimed, parseExpiryFrom, type Expiry } from '../data/expiry-option.ts';
import { notify } from '../events.ts';
import { holds, parseComparison, type Condition } from './condition.ts';
import { setString } from './set.ts';

interface CasInput {
  readonly request: Request;
  readonly expiry: Expiry;
}

function parseCas(request: Request): CasInput | Refusal {
  const expiry = parseExpiryFrom(request, 4, 'cas');
  return expiry instanceof Refusal ? expiry : { request, expiry };
}

function cas(types: DataTypes): CommandDefinition {
  const { strings } = types;
  return define<CasInput>({
    name: 'cas',
    arity: -4,
    flags: ['write'],
    keys: firstKey,
    group: 'string',
    since: 'Kvrocks 2.0.5',
    complexity: 'O(N) where N is the length of the value.',
    summary: 'Sets a string when it has the expected value: 1 when set, 0 when it differs, -1 when there is no key.',
    parse: parseCas,
    run(call, { request, expiry }, reply) {
      const key = keyOf(call, request, 1);
      const found = strings.get(key, call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      if (found === 'absent') return reply.integer(-1);
      if (!sameBytes(strings.value, spanOfArgument(request, 2))) return reply.integer(0);
      const expireMs = expireMsOf(expiry, call.nowMs, 0);
      if (expireMs === undefined) return reply.error(invalidExpire('cas').message);
      setString(types, call, key, { value: spanOfArgument(request, 3), expireMs, isTimed: isTimed(expiry) });
      reply.integer(1);
    },
  });
}

function cad({ strings, keyspace }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'cad',
    arity: 3,
    flags: ['write'],
    keys: firstKey,
    group: 'string',
    since: 'Kvrocks 2.0.5',
    complexity: 'O(N) where N is the length of the value.',
    summary:
      'Deletes a string when it has the expected value: 1 when deleted, 0 when it differs, -1 when there is no key.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const found = strings.get(key, call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      if (found === 'absent') return reply.integer(-1);
      if (!sameBytes(strings.value, spanOfArgument(request, 2))) return reply.integer(0);
      keyspace.delete(key, call.nowMs);
      notify(call, 'g', 'del', key);
      reply.integer(1);
    },
  });
}

interface DelExInput {
  readonly request: Request;
  readonly condition: Condition | undefined;
}

function parseDelEx(request: Request): DelExInput | Refusal {
  if (request.count === 2) return { request, condition: undefined };
  const condition = request.count === 4 ? parseComparison(request, 2) : undefined;
  if (condition === undefined) return new Refusal(errors.syntax);
  return condition instanceof Refusal ? condition : { request, condition };
}

function delEx({ strings, keyspace }: DataTypes): CommandDefinition {
  return define<DelExInput>({
    name: 'delex',
    arity: -2,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'string',
    since: '8.4.0',
    complexity: 'O(N) where N is the length of the value when it is compared, else O(1).',
    summary: 'Deletes a key, on request only when its string value or digest is, or is not, the given one.',
    parse: parseDelEx,
    run(call, { request, condition }, reply) {
      const key = keyOf(call, request, 1);
      if (condition !== undefined) {
        const found = strings.get(key, call.nowMs);
        if (found === 'wrong-type') return reply.error(errors.wrongType);
        if (found === 'absent' || !holds(condition, strings.value)) return reply.integer(0);
      }
      const isDeleted = keyspace.delete(key, call.nowMs);
      if (isDeleted) notify(call, 'g', 'del', key);
      reply.integer(isDeleted ? 1 : 0);
    },
  });
}

export function compareCommands(types: DataTypes): CommandDefinition[] {
  return [cas(types), cad(types), delEx(types)];
}
