/**
 * The times at which single fields die: HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT, HTTL, HPTTL, HEXPIRETIME,
 * HPEXPIRETIME, HPERSIST, as in Redis 7.4. Only hashes of the encoding `field-expiration` have them.
 */
import type { DataTypes, Hashes, Span } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import { invalidExpire } from '../data/expiry-option.ts';
import { notify } from '../events.ts';
import { parseFieldList, type FieldList } from './field-list.ts';
import { noTimedFields, notifyDeleted, openHash } from './fields.ts';

/** Latest time a field may have, as in Redis: 46 bits. */
export const fieldExpireMsMax: number = 2 ** 46 - 1;

const negativeExpire = 'ERR invalid expire time, must be >= 0';
const notPositive = 'ERR Number of fields must be a positive integer';
const notAboveZero = 'ERR Parameter `numFields` should be greater than 0';

/** Answers about a field, as Redis gives them. */
const answers = { noField: -2, noTime: -1, conditionFailed: 0, changed: 1, deleted: 2 } as const;

type Condition = 'always' | 'nx' | 'xx' | 'gt' | 'lt';

/** A time in ms, read with the range checks of Redis. `isRelative` times are added to now when the command runs. */
export function parseFieldExpiry(
  request: Request,
  index: number,
  unit: { readonly factor: number },
  command: string,
): number | Refusal {
  const value = request.int64(index);
  if (value === undefined) return new Refusal(errors.notInteger);
  if (value < 0n) return new Refusal(negativeExpire);
  if (value > BigInt(Math.floor(fieldExpireMsMax / unit.factor))) return invalidExpire(command);
  return Number(value) * unit.factor;
}

interface ExpireInput {
  readonly request: Request;
  readonly ms: number;
  readonly condition: Condition;
  readonly fields: FieldList;
}

interface ExpireCommand {
  readonly name: string;
  readonly factor: number;
  readonly isRelative: boolean;
}

function parseExpire(request: Request, command: ExpireCommand): ExpireInput | Refusal {
  const ms = parseFieldExpiry(request, 2, command, command.name);
  if (ms instanceof Refusal) return ms;
  const word = (['nx', 'xx', 'gt', 'lt'] as const).find((each) => request.is(3, each));
  const fields = parseFieldList(request, word === undefined ? 3 : 4, notAboveZero);
  return fields instanceof Refusal ? fields : { request, ms, condition: word ?? 'always', fields };
}

/** Whether a living field's time may be changed; one without a time counts as dying last. */
function passes(condition: Condition, currentMs: number, expireMs: number): boolean {
  switch (condition) {
    case 'always':
      return true;
    case 'nx':
      return currentMs === 0;
    case 'xx':
      return currentMs !== 0;
    case 'gt':
      return currentMs !== 0 && expireMs > currentMs;
    case 'lt':
      return currentMs === 0 || expireMs < currentMs;
    default:
      return condition satisfies never;
  }
}

function expireField(hashes: Hashes, field: Span, { condition }: ExpireInput, expireMs: number, nowMs: number): number {
  const state = hashes.stateOf(field);
  // What has died goes now that somebody looks.
  if (state === 'dead') hashes.remove(field);
  if (state === 'dead' || state === 'missing') return answers.noField;
  if (!passes(condition, hashes.fieldExpireMs, expireMs)) return answers.conditionFailed;
  if (expireMs <= nowMs) {
    hashes.remove(field);
    return answers.deleted;
  }
  hashes.setExpiry(field, expireMs);
  return answers.changed;
}

/**
 * Opens a hash for a command on the times of its fields.
 * @returns false when the reply is written: the key is no such hash, or does not exist.
 */
function openTimed(hashes: Hashes, call: Call, input: Fields, reply: ReplyWriter): boolean {
  const opened = openHash(hashes, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return false;
  if (opened === 'absent') {
    reply.array(input.fields.count);
    for (let i = 0; i < input.fields.count; i++) reply.integer(answers.noField);
    return false;
  }
  if (!hashes.hasTimedFields) reply.error(noTimedFields);
  return hashes.hasTimedFields;
}

interface Fields {
  readonly request: Request;
  readonly fields: FieldList;
}

function runExpire(
  { hashes }: DataTypes,
  call: Call,
  input: ExpireInput,
  command: ExpireCommand,
  reply: ReplyWriter,
): void {
  const expireMs = command.isRelative ? call.nowMs + input.ms : input.ms;
  if (expireMs > fieldExpireMsMax) return reply.error(invalidExpire(command.name).message);
  if (!openTimed(hashes, call, input, reply)) return;
  const { first, count } = input.fields;
  let changed = 0;
  let deleted = 0;
  reply.array(count);
  for (let index = first; index < first + count; index++) {
    const answer = expireField(hashes, spanOfArgument(input.request, index), input, expireMs, call.nowMs);
    if (answer === answers.changed) changed++;
    if (answer === answers.deleted) deleted++;
    reply.integer(answer);
  }
  const key = keyOf(call, input.request, 1);
  hashes.save(key);
  if (changed > 0) notify(call, 'h', 'hexpire', key);
  if (deleted > 0) notifyDeleted(call, hashes, key);
}

function hExpire(types: DataTypes, command: ExpireCommand): CommandDefinition {
  const unit = command.factor === 1 ? 'milliseconds' : 'seconds';
  return define<ExpireInput>({
    name: command.name,
    arity: -6,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields named.',
    summary: command.isRelative
      ? `Lets fields of a hash die after some ${unit}.`
      : `Lets fields of a hash die at a Unix time in ${unit}.`,
    parse: (request) => parseExpire(request, command),
    run: (call, input, reply) => runExpire(types, call, input, command, reply),
  });
}

interface TimeCommand {
  readonly name: string;
  readonly summary: string;
  answer(expireMs: number, nowMs: number): number;
}

function parseFields(request: Request): Fields | Refusal {
  const fields = parseFieldList(request, 2, notPositive);
  return fields instanceof Refusal ? fields : { request, fields };
}

function hTime({ hashes }: DataTypes, command: TimeCommand): CommandDefinition {
  return define<Fields>({
    name: command.name,
    arity: -5,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields named.',
    summary: command.summary,
    parse: parseFields,
    run(call, input, reply) {
      if (!openTimed(hashes, call, input, reply)) return;
      const { first, count } = input.fields;
      reply.array(count);
      for (let index = first; index < first + count; index++) {
        if (!hashes.get(spanOfArgument(input.request, index))) reply.integer(answers.noField);
        else if (hashes.fieldExpireMs === 0) reply.integer(answers.noTime);
        else reply.integer(command.answer(hashes.fieldExpireMs, call.nowMs));
      }
    },
  });
}

function persistField(hashes: Hashes, field: Span): number {
  const state = hashes.stateOf(field);
  if (state === 'dead') hashes.remove(field);
  if (state === 'dead' || state === 'missing') return answers.noField;
  if (state === 'lasting') return answers.noTime;
  hashes.setExpiry(field, 0);
  return answers.changed;
}

function hPersist({ hashes }: DataTypes): CommandDefinition {
  return define<Fields>({
    name: 'hpersist',
    arity: -5,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields named.',
    summary: 'Takes away the times at which fields of a hash would die.',
    parse: parseFields,
    run(call, input, reply) {
      if (!openTimed(hashes, call, input, reply)) return;
      const { first, count } = input.fields;
      let changed = 0;
      reply.array(count);
      for (let index = first; index < first + count; index++) {
        const answer = persistField(hashes, spanOfArgument(input.request, index));
        if (answer === answers.changed) changed++;
        reply.integer(answer);
      }
      const key = keyOf(call, input.request, 1);
      hashes.save(key);
      if (changed > 0) notify(call, 'h', 'hpersist', key);
    },
  });
}

const expireCommands: readonly ExpireCommand[] = [
  { name: 'hexpire', factor: 1000, isRelative: true },
  { name: 'hpexpire', factor: 1, isRelative: true },
  { name: 'hexpireat', factor: 1000, isRelative: false },
  { name: 'hpexpireat', factor: 1, isRelative: false },
];

/** Seconds are rounded up, as Redis does for fields. */
const timeCommands: readonly TimeCommand[] = [
  {
    name: 'httl',
    summary: 'Returns after how many seconds fields of a hash die.',
    answer: (expireMs, nowMs) => Math.ceil((expireMs - nowMs) / 1000),
  },
  {
    name: 'hpttl',
    summary: 'Returns after how many milliseconds fields of a hash die.',
    answer: (expireMs, nowMs) => expireMs - nowMs,
  },
  {
    name: 'hexpiretime',
    summary: 'Returns the Unix times in seconds at which fields of a hash die.',
    answer: (expireMs) => Math.ceil(expireMs / 1000),
  },
  {
    name: 'hpexpiretime',
    summary: 'Returns the Unix times in milliseconds at which fields of a hash die.',
    answer: (expireMs) => expireMs,
  },
];

export function hashExpiryCommands(types: DataTypes): CommandDefinition[] {
  return [
    ...expireCommands.map((command) => hExpire(types, command)),
    ...timeCommands.map((command) => hTime(types, command)),
    hPersist(types),
  ];
}
