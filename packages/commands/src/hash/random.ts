/**
 * HRANDFIELD. Fields are numbered in byte order; positions are drawn first and then met in one pass, so memory is what
 * is returned, whatever the hash holds. Distinct fields come in byte order, repeated draws in the order drawn.
 */
import type { DataTypes } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { drawElements, parseRandomDraw, type RandomDraw } from '../data/random-draw.ts';
import { openHash } from './fields.ts';

interface Field {
  readonly field: Buffer;
  readonly value: Buffer;
}

/** The fields at rising positions of the open hash; throws when they are more than a reply may hold. */
function fieldsAt({ hashes }: DataTypes, positions: readonly number[], reply: ReplyWriter): Field[] {
  let bytes = 0;
  const found: Field[] = [];
  const walk = hashes.walk();
  try {
    for (let position = 0; found.length < positions.length && walk.next(); position++) {
      let taken: Field | undefined;
      while (positions[found.length] === position) {
        bytes += walk.field.length + walk.value.length;
        if (taken === undefined) reply.demandRoom(bytes);
        taken ??= { field: walk.field.copy(), value: walk.value.copy() };
        found.push(taken);
      }
    }
    return found;
  } finally {
    walk.close();
  }
}

function draw(types: DataTypes, count: number, reply: ReplyWriter): readonly Field[] {
  const { random } = types.engine;
  const size = types.hashes.livingFields();
  return drawElements(random, size, count, (positions) => fieldsAt(types, positions, reply));
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

function runRandom(types: DataTypes, call: Call, input: RandomDraw, reply: ReplyWriter): void {
  const opened = openHash(types.hashes, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  if (input.count === undefined) {
    const [one] = opened === 'found' ? draw(types, 1, reply) : [];
    if (one === undefined) reply.nil();
    else reply.bulk(one.field);
    return;
  }
  replyFields(opened === 'found' && input.count !== 0 ? draw(types, input.count, reply) : [], input.isWithMore, reply);
}

export function hashRandomCommands(types: DataTypes): CommandDefinition[] {
  return [
    define<RandomDraw>({
      name: 'hrandfield',
      arity: -2,
      flags: ['readonly'],
      keys: firstKey,
      group: 'hash',
      since: '6.2.0',
      complexity: 'O(N) where N is the number of fields: they are walked through.',
      summary: 'Returns random fields of a hash; with a negative count the same one may come again.',
      parse: (request) => parseRandomDraw(request, 'withvalues'),
      run: (call, input, reply) => runRandom(types, call, input, reply),
    }),
  ];
}
