/**
 * BITFIELD and BITFIELD_RO: integers of any width up to 64 bits at any bit of a value. All sub-commands are parsed before
 * the first is done; they see each other's changes, which are written once at the end.
 */
import { BitEditor, bytesForField, type Bitmaps } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { safeIntegerOf } from '../data/integers.ts';
import { notify } from '../events.ts';
import { badOffset, bitOffsetMax } from './bit.ts';

type Overflow = 'wrap' | 'sat' | 'fail';
const overflows: readonly Overflow[] = ['wrap', 'sat', 'fail'];

interface FieldType {
  readonly isSigned: boolean;
  readonly bits: number;
}

interface Step {
  readonly kind: 'get' | 'set' | 'incrby';
  readonly type: FieldType;
  /** Of the first bit. */
  readonly offset: number;
  /** The value, or the increment. */
  readonly operand: bigint;
  readonly overflow: Overflow;
}

interface FieldInput {
  readonly request: Request;
  readonly steps: readonly Step[];
}

const badType = 'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.';

/** `i1` to `i64`, `u1` to `u63`. */
function parseType(request: Request, index: number): FieldType | undefined {
  const text = request.latin1(index);
  if (!/^[iu][1-9][0-9]?$/.test(text)) return undefined;
  const isSigned = text[0] === 'i';
  const bits = Number(text.slice(1));
  return bits <= (isSigned ? 64 : 63) ? { isSigned, bits } : undefined;
}

/** A bit offset, or `#n`: the n-th field of this width. */
function parseOffset(request: Request, index: number, bits: number): number | undefined {
  const start = request.start(index);
  const isCounted = request.buffer[start] === 35 && request.size(index) > 0;
  const given = safeIntegerOf({
    buffer: request.buffer,
    start: isCounted ? start + 1 : start,
    end: request.end(index),
  });
  const offset = isCounted ? given * bits : given;
  return offset >= 0 && offset <= bitOffsetMax ? offset : undefined;
}

/** Parses a sub-command that stands at `index`. */
function parseStep(request: Request, index: number, overflow: Overflow): Step | Refusal {
  const kind = request.is(index, 'get') ? 'get' : request.is(index, 'set') ? 'set' : 'incrby';
  const type = parseType(request, index + 1);
  if (type === undefined) return new Refusal(badType);
  const offset = parseOffset(request, index + 2, type.bits);
  if (offset === undefined) return new Refusal(badOffset);
  if (kind === 'get') return { kind, type, offset, operand: 0n, overflow };
  const operand = request.int64(index + 3);
  return operand === undefined ? new Refusal(errors.notInteger) : { kind, type, offset, operand, overflow };
}

/** Arguments of a sub-command with its name; undefined when there is none of this name or too few are left. */
function argumentsOf(request: Request, index: number): number | undefined {
  const left = request.count - index;
  if (request.is(index, 'get')) return left >= 3 ? 3 : undefined;
  if (request.is(index, 'set') || request.is(index, 'incrby')) return left >= 4 ? 4 : undefined;
  if (request.is(index, 'overflow')) return left >= 2 ? 2 : undefined;
  return undefined;
}

function parseField(request: Request, isReadOnly: boolean): FieldInput | Refusal {
  const steps: Step[] = [];
  let overflow: Overflow = 'wrap';
  for (let index = 2; index < request.count;) {
    const taken = argumentsOf(request, index);
    if (taken === undefined) return new Refusal(errors.syntax);
    if (taken === 2) {
      const chosen = overflows.find((word) => request.is(index + 1, word));
      if (chosen === undefined) return new Refusal('ERR Invalid OVERFLOW type specified');
      overflow = chosen;
    } else {
      const step = parseStep(request, index, overflow);
      if (step instanceof Refusal) return step;
      steps.push(step);
    }
    index += taken;
  }
  if (isReadOnly && steps.some(({ kind }) => kind !== 'get')) {
    return new Refusal('ERR BITFIELD_RO only supports the GET subcommand');
  }
  return { request, steps };
}

/**
 * What a field becomes.
 * @returns undefined when that does not fit and OVERFLOW FAIL was asked for.
 */
function fitted({ isSigned, bits }: FieldType, value: bigint, overflow: Overflow): bigint | undefined {
  const max = (1n << BigInt(isSigned ? bits - 1 : bits)) - 1n;
  const min = isSigned ? -max - 1n : 0n;
  if (value >= min && value <= max) return value;
  if (overflow === 'fail') return undefined;
  if (overflow === 'sat') return value > max ? max : min;
  return isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** A field's number as it stands. */
function fieldValue(editor: BitEditor, { type: { isSigned, bits }, offset }: Step): bigint {
  const value = editor.field(offset, bits);
  return isSigned ? BigInt.asIntN(bits, value) : value;
}

/** Does a step. @returns whether a field changed. */
function runStep(editor: BitEditor, step: Step, reply: ReplyWriter): boolean {
  const old = fieldValue(editor, step);
  if (step.kind === 'get') {
    reply.integer(old);
    return false;
  }
  const { type, operand } = step;
  // SET of a negative number into an unsigned field takes it for the large number its 64 bits also are.
  const given = type.isSigned ? operand : BigInt.asUintN(64, operand);
  const next = fitted(type, step.kind === 'set' ? given : old + operand, step.overflow);
  if (next === undefined) {
    reply.nil();
    return false;
  }
  editor.setField(step.offset, type.bits, next);
  reply.integer(step.kind === 'set' ? old : next);
  return next !== old;
}

function logTextOf(request: Request): string {
  const words = [];
  for (let index = 2; index < request.count; index++) words.push(request.latin1(index));
  return `6 11 ${words.join(' ')}`;
}

/** Bytes that the value must have to hold every field that is written, whether it fits or not. */
function neededLength(steps: readonly Step[]): number {
  let length = 0;
  for (const { kind, offset, type } of steps) {
    if (kind !== 'get') length = Math.max(length, bytesForField(offset, type.bits));
  }
  return length;
}

function runField(bitmaps: Bitmaps, call: Call, { request, steps }: FieldInput, reply: ReplyWriter): void {
  const key = keyOf(call, request, 1);
  const needed = neededLength(steps);
  const found = needed > 0 ? bitmaps.openOrCreate(key, call.nowMs) : bitmaps.open(key, call.nowMs);
  if (found === 'wrong-type') return reply.error(errors.wrongType);
  let isChanged = needed > bitmaps.length;
  const editor = new BitEditor(bitmaps, needed);
  reply.array(steps.length);
  for (const step of steps) if (runStep(editor, step, reply)) isChanged = true;
  if (!isChanged) return;
  bitmaps.logText = logTextOf(request);
  editor.save(key, needed);
  notify(call, '$', 'setbit', key);
}

function fieldCommand(bitmaps: Bitmaps, isReadOnly: boolean): CommandDefinition {
  return define<FieldInput>({
    name: isReadOnly ? 'bitfield_ro' : 'bitfield',
    arity: -2,
    flags: isReadOnly ? ['readonly', 'fast'] : ['write', 'slow'],
    keys: firstKey,
    group: 'bitmap',
    since: isReadOnly ? '6.0.0' : '3.2.0',
    complexity: 'O(1) for every sub-command; O(N) on a string, where N is its length.',
    summary: isReadOnly
      ? 'Reads whole numbers of any width at any bit of a value.'
      : 'Reads, sets and increments whole numbers of any width at any bit of a value.',
    parse: (request) => parseField(request, isReadOnly),
    run: (call, input, reply) => runField(bitmaps, call, input, reply),
  });
}

export function bitFieldCommands(bitmaps: Bitmaps): CommandDefinition[] {
  return [fieldCommand(bitmaps, false), fieldCommand(bitmaps, true)];
}
