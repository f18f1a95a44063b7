/**
 * HRANDFIELD. Fields are numbered in byte order; positions are drawn first and then met in one pass, so memory is what
 * is returned, whatever the hash holds. Distinct fields come in byte order, repeated draws in the order drawn.
 */
import { randomBelow, type Random } from '@holdfast/base';
import type { DataTypes } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { openHash } from './fields.ts';

/** Repeated draws in one reply: a short request must not ask for gigabytes. */
const repeatsMax = 1 << 20;

interface RandomInput {
  readonly request: Request;
  /** Undefined: one field, not in an array. */
  readonly count: number | undefined;
  readonly withValues: boolean;
}

function parseRandom(request: Request): RandomInput | Refusal {
  if (request.count === 2) return { request, count: undefined, withValues: false };
  const count = request.int64(2);
  if (count === undefined) return new Refusal(errors.notInteger);
  if (request.count > 4 || (request.count === 4 && !request.is(3, 'withvalues'))) return new Refusal(errors.syntax);
  if (count < BigInt(-repeatsMax)) return new Refusal('ERR value is out of range');
  return { request, count: Number(count), withValues: request.count === 4 };
}

/** Positions below `size`, rising: `count` distinct ones, each set equally likely (Knuth's algorithm S). */
function distinctPositions(random: Random, size: number, count: number): number[] {
  const positions: number[] = [];
  for (let position = 0; positions.length < count; position++) {
    if (randomBelow(random, size - position) < count - positions.length) positions.push(position);
  }
  return positions;
}

interface Field {
  readonly field: Buffer;
  readonly value: Buffer;
}

/** The fields at rising positions of the open hash; throws when they are more than a reply may hold. */
function fieldsAt({ hashes }: DataTypes, positions: readonly number[], reply: ReplyWriter): Field[] {
  let bytes = 0;
  const found: Field[] = [];
  const entries = hashes.iterate();
  try {
    for (let position = 0; found.length < positions.length && entries.next(); position++) {
      const { key, value } = entries;
      let taken: Field | undefined;
      while (positions[found.length] === position) {
        bytes += key.end - key.start + value.end - value.start;
        if (taken === undefined) reply.demandRoom(bytes);
        taken ??= {
          field: Buffer.from(key.buffer.subarray(key.start + hashes.fieldOffset, key.end)),
          value: value.copy(),
        };
        found.push(taken);
      }
    }
    return found;
  } finally {
    entries.close();
  }
}

function draw(types: DataTypes, count: number, reply: ReplyWriter): Field[] {
  const { random } = types.engine;
  const { size } = types.hashes;
  if (count >= 0) return fieldsAt(types, distinctPositions(random, size, Math.min(count, size)), reply);
  const drawn = Array.from({ length: -count }, () => randomBelow(random, size));
  const order = drawn.map((_, index) => index).sort((a, b) => (drawn[a] as number) - (drawn[b] as number));
  const found = fieldsAt(
    types,
    order.map((index) => drawn[index] as number),
    reply,
  );
  const fields: Field[] = [];
  found.forEach((field, i) => (fields[order[i] as number] = field));
  return fields.filter((field) => field !== undefined);
}

function replyFields(fields: readonly Field[], withValues: boolean, reply: ReplyWriter): void {
  const isNested = withValues && reply.protocol === 3;
  reply.array(withValues && !isNested ? fields.length * 2 : fields.length);
  for (const { field, value } of fields) {
    if (isNested) reply.array(2);
    reply.bulk(field);
    if (withValues) reply.bulk(value);
  }
}

function runRandom(types: DataTypes, call: Call, input: RandomInput, reply: ReplyWriter): void {
  const opened = openHash(types.hashes, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  if (input.count === undefined) {
    const [one] = opened === 'found' ? draw(types, 1, reply) : [];
    if (one === undefined) reply.nil();
    else reply.bulk(one.field);
    return;
  }
  replyFields(opened === 'found' && input.count !== 0 ? draw(types, input.count, reply) : [], input.withValues, reply);
}

export function hashRandomCommands(types: DataTypes): CommandDefinition[] {
  return [
    define<RandomInput>({
      name: 'hrandfield',
      arity: -2,
      flags: ['readonly'],
      keys: firstKey,
      group: 'hash',
      since: '6.2.0',
      complexity: 'O(N) where N is the number of fields: they are walked through.',
      summary: 'Returns random fields of a hash; with a negative count the same one may come again.',
      parse: parseRandom,
      run: (call, input, reply) => runRandom(types, call, input, reply),
    }),
  ];
}
