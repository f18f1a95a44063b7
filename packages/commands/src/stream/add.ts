/** XADD: adding an entry, trimming the stream on the way. */
import { StreamId, highestEntryId, writeEntryPart, type Streams, type UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument, wrongArity } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { notify } from '../events.ts';
import { IdText } from './id-text.ts';
import { invalidId, strictIdOf, u64Of } from './ids.ts';
import { type StreamTypes } from './stream-types.ts';
import { TrimOptions } from './trim-options.ts';

const star = 42;
const dash = 45;
const zero = 48;
const nine = 57;
/** Of every XADD that asks for no trimming; nobody changes it. */
const noTrim = new TrimOptions();

/** Who says what of the id: `*`, `<ms>-*`, `*-<seq>` (Kvrocks' own) or the client all of it. */
type IdRule = 'generated' | 'generated-seq' | 'generated-ms' | 'given';

interface AddInput {
  readonly request: Request;
  readonly rule: IdRule;
  /** What was given of the id. */
  readonly id: StreamId;
  readonly firstField: number;
  readonly makesStream: boolean;
  readonly trim: TrimOptions;
}

const smaller = 'ERR The ID specified in XADD is equal or smaller than the target stream top item';
const exhausted = 'ERR The stream has exhausted the last possible ID, unable to add more items';
const tooHigh = `ERR The ID specified in XADD must not be greater than ${highestEntryId.toString()}`;

interface IdArgument {
  readonly rule: IdRule;
  readonly id: StreamId;
}

const generated: IdArgument = { rule: 'generated', id: new StreamId() };

function parseId(request: Request, index: number): IdArgument | Refusal {
  const start = request.start(index);
  const end = request.end(index);
  const { buffer } = request;
  if (buffer[start] === star) {
    if (end === start + 1) return generated;
    const seq = buffer[start + 1] === dash ? u64Of(buffer, start + 2, end) : undefined;
    return seq === undefined ? new Refusal(invalidId) : { rule: 'generated-ms', id: StreamId.of(0, seq) };
  }
  if (end - start > 2 && buffer[end - 1] === star && buffer[end - 2] === dash) {
    const ms = u64Of(buffer, start, end - 2);
    return ms === undefined ? new Refusal(invalidId) : { rule: 'generated-seq', id: StreamId.of(ms) };
  }
  const id = strictIdOf(request, index);
  if (id === undefined) return new Refusal(invalidId);
  if (id.isZero) return new Refusal('ERR The ID specified in XADD must be greater than 0-0');
  return { rule: 'given', id };
}

function parseAdd(request: Request): AddInput | Refusal {
  const first = request.buffer[request.start(2)] as number;
  // Most often no option stands before the id: those begin with a letter.
  if (first === star || (first >= zero && first <= nine)) return withId(request, 2, true, noTrim);
  const trim = new TrimOptions();
  let makesStream = true;
  let index = 2;
  while (index < request.count) {
    if (request.is(index, 'nomkstream')) {
      makesStream = false;
      index++;
      continue;
    }
    const next = trim.parse(request, index);
    if (next instanceof Refusal) return next;
    if (next === index) break;
    index = next;
  }
  const refused = trim.check();
  if (refused !== undefined) return refused;
  if (index >= request.count) return wrongArity('xadd');
  return withId(request, index, makesStream, trim);
}

function withId(request: Request, index: number, makesStream: boolean, trim: TrimOptions): AddInput | Refusal {
  const argument = parseId(request, index);
  if (argument instanceof Refusal) return argument;
  const fields = request.count - index - 1;
  if (fields < 2 || fields % 2 === 1) return wrongArity('xadd');
  return { request, rule: argument.rule, id: argument.id, firstField: index + 1, makesStream, trim };
}

/** The id of the next entry. Filled anew by each XADD. */
const next = new StreamId();
const idText = new IdText();

/** Brings the id of the entry to be added into `next`. @returns the error line when there can be none. */
function chooseId({ lastGenerated }: Streams, { rule, id }: AddInput, nowMs: number): string | undefined {
  next.set(id);
  if (rule === 'generated' || rule === 'generated-ms') next.setMs(nowMs);
  if (rule === 'generated' && next.compare(lastGenerated) <= 0) {
    next.set(lastGenerated);
    next.increment();
  }
  if (rule === 'generated-seq' && next.compareMs(lastGenerated) === 0) {
    next.set(lastGenerated);
    if (!next.incrementSeq()) return smaller;
  }
  if (lastGenerated.compare(highestEntryId) >= 0) return exhausted;
  if (next.compare(lastGenerated) <= 0) return smaller;
  return next.compare(highestEntryId) > 0 ? tooHigh : undefined;
}

/** Adds the entry, unless it is to be trimmed away at once. @returns how many entries were not kept: 1 or 0. */
function append({ streams, entry }: StreamTypes, { request, firstField, trim }: AddInput): number {
  if (trim.keep === 0 && !trim.isApproximate) {
    streams.appendNothing(next);
    return 1;
  }
  entry.reset();
  for (let index = firstField; index < request.count; index++) writeEntryPart(entry, spanOfArgument(request, index));
  streams.append(next, entry);
  return 0;
}

/** Trims the open stream. @returns how many entries went. */
function trimmedOf({ streams, settings }: StreamTypes, trim: TrimOptions): number {
  return streams.trim(trim.trimOf(streams.size, Number(streams.entriesAdded), settings.nodeMaxEntries));
}

/** Opens the stream that is to be added to. @returns false when the reply was written: there is none. */
function openForAdd({ streams }: StreamTypes, call: Call, key: UserKey, input: AddInput, reply: ReplyWriter): boolean {
  const opened = openCollection(streams, key, call.nowMs, reply);
  if (opened === undefined) return false;
  if (opened === 'found') return true;
  if (input.makesStream) streams.create(key);
  else reply.nil();
  return input.makesStream;
}

export function xAdd(types: StreamTypes): CommandDefinition {
  const { streams } = types;
  return define<AddInput>({
    name: 'xadd',
    arity: -5,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(1) when adding, O(N) when trimming, N being the number of entries removed.',
    summary: 'Adds an entry to a stream. The stream is created if it does not exist.',
    parse: parseAdd,
    run(call, input, reply) {
      const key = keyOf(call, input.request, 1);
      if (!openForAdd(types, call, key, input, reply)) return;
      const refused = chooseId(streams, input, call.nowMs);
      if (refused !== undefined) return reply.error(refused);
      const dropped = append(types, input);
      const trimmed = (input.trim.isAsked ? trimmedOf(types, input.trim) : 0) + dropped;
      streams.saveStream(key);
      notify(call, 't', 'xadd', key);
      if (trimmed > 0) notify(call, 't', 'xtrim', key);
      idText.reply(next, reply);
    },
  });
}

export function xTrim(types: StreamTypes): CommandDefinition {
  const { streams } = types;
  return define<{ readonly request: Request; readonly trim: TrimOptions }>({
    name: 'xtrim',
    arity: -4,
    flags: ['write', 'slow', 'no-dbsize-check'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(N), with N being the number of entries removed.',
    summary: 'Removes the oldest entries of a stream.',
    parse(request) {
      const trim = new TrimOptions();
      for (let index = 2; index < request.count;) {
        const after = trim.parse(request, index);
        if (after instanceof Refusal) return after;
        if (after === index) return new Refusal(errors.syntax);
        index = after;
      }
      const refused = trim.check();
      if (refused !== undefined) return refused;
      if (!trim.isAsked) return new Refusal('ERR syntax error, XTRIM must be called with a trimming strategy');
      return { request, trim };
    },
    run(call, { request, trim }, reply) {
      const key = keyOf(call, request, 1);
      const opened = openCollection(streams, key, call.nowMs, reply);
      if (opened === undefined) return;
      const trimmed = opened === 'found' ? trimmedOf(types, trim) : 0;
      if (trimmed > 0) {
        streams.saveStream(key);
        notify(call, 't', 'xtrim', key);
      }
      reply.integer(trimmed);
    },
  });
}
