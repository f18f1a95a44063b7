/**
 * Fields set or read together with their times: HSETEX, HGETEX, HGETDEL, as in Redis 8. Options and FIELDS come in any
 * order; what stands behind FIELDS is data, whatever it looks like.
 */
import type { DataTypes, Hashes, UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument, wrongArity } from '../data/arguments.ts';
import { invalidExpire } from '../data/expiry-option.ts';
import { notify } from '../events.ts';
import { fieldExpireMsMax, parseFieldExpiry } from './expiry.ts';
import { parseFieldList, type FieldList } from './field-list.ts';
import { noTimedFields, notifyDeleted, openHash } from './fields.ts';

/** What becomes of the times of the fields: nothing said, kept (KEEPTTL), taken away (PERSIST), or set. */
interface FieldExpiry {
  readonly kind: 'unsaid' | 'keep' | 'persist' | 'in' | 'at';
  readonly ms: number;
}

interface ExchangeInput {
  readonly request: Request;
  /** `if-all-present`, `if-none-present`: FXX, FNX. */
  readonly condition: 'always' | 'if-all-present' | 'if-none-present';
  readonly expiry: FieldExpiry;
  /** Fields alone, or fields and values in turn; `count` counts fields. */
  readonly fields: FieldList;
}

interface ExchangeForm {
  readonly name: 'hsetex' | 'hgetex';
  /** Arguments per field. */
  readonly width: 1 | 2;
  /** The option beside the times: KEEPTTL or PERSIST. */
  readonly other: 'keepttl' | 'persist';
}

const unsaid: FieldExpiry = { kind: 'unsaid', ms: 0 };
const fieldsMax = 2 ** 31 - 1;
const timeWords: readonly { readonly word: string; readonly kind: 'in' | 'at'; readonly factor: number }[] = [
  { word: 'ex', kind: 'in', factor: 1000 },
  { word: 'px', kind: 'in', factor: 1 },
  { word: 'exat', kind: 'at', factor: 1000 },
  { word: 'pxat', kind: 'at', factor: 1 },
];

/** Reads the arguments of HSETEX and HGETEX one after the other. */
class ExchangeParser {
  readonly #request: Request;
  readonly #form: ExchangeForm;
  #at = 2;
  #condition: ExchangeInput['condition'] = 'always';
  #expiry: FieldExpiry = unsaid;
  #fields: FieldList | undefined;

  constructor(request: Request, form: ExchangeForm) {
    this.#request = request;
    this.#form = form;
  }

  parse(): ExchangeInput | Refusal {
    while (this.#at < this.#request.count) {
      const refusal = this.#next();
      if (refusal !== undefined) return refusal;
    }
    if (this.#fields === undefined) return new Refusal('ERR missing FIELDS argument');
    return { request: this.#request, condition: this.#condition, expiry: this.#expiry, fields: this.#fields };
  }

  #next(): Refusal | undefined {
    const request = this.#request;
    const at = this.#at++;
    if (request.is(at, 'fields')) return this.#takeFields();
    if (this.#form.name === 'hsetex' && (request.is(at, 'fxx') || request.is(at, 'fnx'))) {
      if (this.#condition !== 'always') return new Refusal('ERR Only one of FXX or FNX arguments can be specified');
      this.#condition = request.is(at, 'fxx') ? 'if-all-present' : 'if-none-present';
      return undefined;
    }
    return this.#takeExpiry(at);
  }

  #takeExpiry(at: number): Refusal | undefined {
    const request = this.#request;
    const { other, name } = this.#form;
    const time = timeWords.find(({ word }) => request.is(at, word));
    if (time === undefined && !request.is(at, other)) {
      return new Refusal(`ERR unknown argument: ${request.latin1(at).slice(0, 64)}`);
    }
    if (this.#expiry !== unsaid) {
      const words = `EX, PX, EXAT, PXAT or ${other.toUpperCase()}`;
      return new Refusal(`ERR Only one of ${words} arguments can be specified`);
    }
    if (time === undefined) {
      this.#expiry = { kind: other === 'keepttl' ? 'keep' : 'persist', ms: 0 };
      return undefined;
    }
    if (this.#at >= request.count) return new Refusal('ERR missing expire time');
    const ms = parseFieldExpiry(request, this.#at++, time, name);
    if (ms instanceof Refusal) return ms;
    this.#expiry = { kind: time.kind, ms };
    return undefined;
  }

  #takeFields(): Refusal | undefined {
    const request = this.#request;
    if (this.#fields !== undefined) return new Refusal('ERR FIELDS keyword specified multiple times');
    if (this.#at >= request.count) return wrongArity(this.#form.name);
    const count = request.integer(this.#at++);
    if (!(count >= 1 && count <= fieldsMax)) return new Refusal('ERR invalid number of fields');
    if (count * this.#form.width > request.count - this.#at) return wrongArity(this.#form.name);
    this.#fields = { first: this.#at, count };
    this.#at += count * this.#form.width;
    return undefined;
  }
}

/** When the fields die: 0 never, undefined when it cannot be kept. A time that has passed is never 0. */
function expireMsOf({ kind, ms }: FieldExpiry, nowMs: number): number | undefined {
  if (kind !== 'in' && kind !== 'at') return 0;
  const expireMs = kind === 'in' ? nowMs + ms : ms;
  return expireMs > fieldExpireMsMax ? undefined : Math.max(1, expireMs);
}

const hSetExForm: ExchangeForm = { name: 'hsetex', width: 2, other: 'keepttl' };
const hGetExForm: ExchangeForm = { name: 'hgetex', width: 1, other: 'persist' };

/** Whether FXX or FNX holds; fields that have died and are looked at go. */
function conditionHolds(hashes: Hashes, { request, condition, fields }: ExchangeInput): boolean {
  if (condition === 'always') return true;
  for (let index = fields.first; index < fields.first + 2 * fields.count; index += 2) {
    const field = spanOfArgument(request, index);
    const state = hashes.stateOf(field);
    if (state === 'dead') hashes.remove(field);
    const isPresent = state === 'lasting' || state === 'timed';
    if (isPresent !== (condition === 'if-all-present')) return false;
  }
  return true;
}

/** Of a field given twice the later value counts: fields are put from the last to the first, each once. */
function setFields(hashes: Hashes, input: ExchangeInput, expireMs: number, nowMs: number): number {
  const { request, expiry, fields } = input;
  const isPast = expireMs !== 0 && expireMs <= nowMs;
  let deleted = 0;
  for (let index = fields.first + 2 * (fields.count - 1); index >= fields.first; index -= 2) {
    const field = spanOfArgument(request, index);
    if (isPast) {
      if (hashes.remove(field)) deleted++;
      continue;
    }
    if (hashes.isPutByCommand(field)) continue;
    const isThere = hashes.get(field);
    const keptMs = expiry.kind === 'keep' && isThere ? hashes.fieldExpireMs : expireMs;
    hashes.put(field, spanOfArgument(request, index + 1), !isThere, keptMs);
  }
  return deleted;
}

function runHSetEx({ hashes }: DataTypes, call: Call, input: ExchangeInput, reply: ReplyWriter): void {
  const expireMs = expireMsOf(input.expiry, call.nowMs);
  if (expireMs === undefined) return reply.error(invalidExpire('hsetex').message);
  const key = keyOf(call, input.request, 1);
  const opened = openHash(hashes, key, call.nowMs, reply);
  if (opened === undefined) return;
  if (opened === 'found' && !hashes.hasTimedFields) return reply.error(noTimedFields);
  if (opened === 'absent') {
    if (input.condition === 'if-all-present') return reply.integer(0);
    hashes.create(key);
    if (!hashes.hasTimedFields) return reply.error(noTimedFields);
  }
  if (!conditionHolds(hashes, input)) {
    hashes.save(key);
    return reply.integer(0);
  }
  const deleted = setFields(hashes, input, expireMs, call.nowMs);
  hashes.save(key);
  notifySet(call, hashes, key, { expireMs, deleted });
  reply.integer(1);
}

function notifySet(
  call: Call,
  hashes: Hashes,
  key: UserKey,
  { expireMs, deleted }: { readonly expireMs: number; readonly deleted: number },
): void {
  if (expireMs !== 0 && expireMs <= call.nowMs) {
    if (deleted > 0) notifyDeleted(call, hashes, key);
    return;
  }
  notify(call, 'h', 'hset', key);
  if (expireMs !== 0) notify(call, 'h', 'hexpire', key);
}

function hSetEx(types: DataTypes): CommandDefinition {
  return define<ExchangeInput>({
    name: 'hsetex',
    arity: -6,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '8.0.0',
    complexity: 'O(N) where N is the number of fields.',
    summary: 'Sets fields of a hash and the time at which they die.',
    parse: (request) => new ExchangeParser(request, hSetExForm).parse(),
    run: (call, input, reply) => runHSetEx(types, call, input, reply),
  });
}

/** Answers a field and changes its time. @returns what was done to it. */
function getField(
  hashes: Hashes,
  { request, expiry }: ExchangeInput,
  index: number,
  { expireMs, nowMs }: { readonly expireMs: number; readonly nowMs: number },
  reply: ReplyWriter,
): 'deleted' | 'timed' | 'lasting' | undefined {
  const field = spanOfArgument(request, index);
  const state = hashes.stateOf(field);
  if (state === 'dead') hashes.remove(field);
  if (state === 'dead' || state === 'missing') {
    reply.nil();
    return undefined;
  }
  reply.bulk(hashes.value.buffer, hashes.value.start, hashes.value.end);
  if (expiry.kind === 'persist') {
    if (state === 'lasting') return undefined;
    hashes.setExpiry(field, 0);
    return 'lasting';
  }
  if (expireMs === 0) return undefined;
  if (expireMs <= nowMs) {
    hashes.remove(field);
    return 'deleted';
  }
  hashes.setExpiry(field, expireMs);
  return 'timed';
}

function runHGetEx({ hashes }: DataTypes, call: Call, input: ExchangeInput, reply: ReplyWriter): void {
  const { nowMs } = call;
  const expireMs = expireMsOf(input.expiry, nowMs);
  if (expireMs === undefined) return reply.error(invalidExpire('hgetex').message);
  const key = keyOf(call, input.request, 1);
  const opened = openHash(hashes, key, nowMs, reply);
  if (opened === undefined) return;
  if (opened === 'found' && !hashes.hasTimedFields) return reply.error(noTimedFields);
  const { first, count } = input.fields;
  reply.array(count);
  const done = new Set<string | undefined>();
  for (let index = first; index < first + count; index++) {
    if (opened === 'absent') reply.nil();
    else done.add(getField(hashes, input, index, { expireMs, nowMs }, reply));
  }
  if (opened === 'absent') return;
  hashes.save(key);
  if (done.has('timed')) notify(call, 'h', 'hexpire', key);
  if (done.has('lasting')) notify(call, 'h', 'hpersist', key);
  if (done.has('deleted')) notifyDeleted(call, hashes, key);
}

function hGetEx(types: DataTypes): CommandDefinition {
  return define<ExchangeInput>({
    name: 'hgetex',
    arity: -5,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'hash',
    since: '8.0.0',
    complexity: 'O(N) where N is the number of fields.',
    summary: 'Returns fields of a hash and sets, or takes away, the time at which they die.',
    parse: (request) => new ExchangeParser(request, hGetExForm).parse(),
    run: (call, input, reply) => runHGetEx(types, call, input, reply),
  });
}

interface GetDelInput {
  readonly request: Request;
  readonly fields: FieldList;
}

function hGetDel({ hashes }: DataTypes): CommandDefinition {
  return define<GetDelInput>({
    name: 'hgetdel',
    arity: -5,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'hash',
    since: '8.0.0',
    complexity: 'O(N) where N is the number of fields.',
    summary: 'Returns fields of a hash and deletes them.',
    parse(request) {
      const fields = parseFieldList(request, 2, 'ERR Number of fields must be a positive integer');
      return fields instanceof Refusal ? fields : { request, fields };
    },
    run(call, { request, fields }, reply) {
      const key = keyOf(call, request, 1);
      const opened = openHash(hashes, key, call.nowMs, reply);
      if (opened === undefined) return;
      let deleted = 0;
      reply.array(fields.count);
      for (let index = fields.first; index < fields.first + fields.count; index++) {
        const field = spanOfArgument(request, index);
        const isThere = opened === 'found' && hashes.get(field);
        if (isThere) reply.bulk(hashes.value.buffer, hashes.value.start, hashes.value.end);
        else reply.nil();
        // The record of a field that has died goes too.
        if (opened === 'found' && hashes.remove(field)) deleted++;
      }
      if (opened === 'absent') return;
      hashes.save(key);
      if (deleted > 0) notifyDeleted(call, hashes, key);
    },
  });
}

export function hashExchangeCommands(types: DataTypes): CommandDefinition[] {
  return [hSetEx(types), hGetEx(types), hGetDel(types)];
}
