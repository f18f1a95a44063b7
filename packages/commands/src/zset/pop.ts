/** Taking members off the ends: ZPOPMIN, ZPOPMAX, ZMPOP, and BZPOPMIN, BZPOPMAX, BZMPOP, which wait for some to come. */
import { spanOf, type UserKey, type Zsets } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, noKeys, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, wrongArity } from '../data/arguments.ts';
import { countedKeys, parsePositive } from '../data/numkeys.ts';
import { openCollection } from '../data/open-collection.ts';
import { parseTimeout } from '../data/timeout.ts';
import type { Wait } from '../waiting.ts';
import { replyRow, replyRowsHeader, replyScore, saveRemoved, type SortedSets } from './sorted-sets.ts';

type End = 'min' | 'max';

/** How what was taken is shown: flat in one array, or each member with its score in a pair. */
type Form = 'flat' | 'pairs';

/** Takes up to `count` members off an end of the open sorted set, the outermost first, and writes them as an array. */
function popRows(call: Call, zsets: Zsets, key: UserKey, { end, count, form }: Pop, reply: ReplyWriter): void {
  const rows = reply.body();
  let popped = 0;
  const walk = zsets.walkScores(undefined, undefined, { reverse: end === 'max' });
  try {
    for (; popped < count && walk.next(); popped++) {
      if (form === 'pairs' && reply.protocol === 2) rows.array(2);
      replyRow(rows, walk, true);
      zsets.remove(walk.member, walk.score);
    }
  } finally {
    walk.close();
  }
  if (form === 'pairs') reply.array(popped);
  else replyRowsHeader(reply, popped, true);
  reply.raw(rows.take());
  if (popped > 0) saveRemoved(call, zsets, key, `zpop${end}`);
}

interface Pop {
  readonly end: End;
  readonly count: number;
  readonly form: Form;
}

/** Takes one member and writes it and its score, without an array around them. */
function popOne(call: Call, zsets: Zsets, key: UserKey, end: End, reply: ReplyWriter): void {
  const walk = zsets.walkScores(undefined, undefined, { reverse: end === 'max' });
  try {
    if (!walk.next()) return;
    const { member } = walk;
    reply.bulk(member.buffer, member.start, member.end);
    replyScore(reply, walk.score);
    zsets.remove(member, walk.score);
  } finally {
    walk.close();
  }
  saveRemoved(call, zsets, key, `zpop${end}`);
}

interface PopInput {
  readonly request: Request;
  /** Undefined: one, not in pairs. */
  readonly count: number | undefined;
}

function parsePop(request: Request, name: string): PopInput | Refusal {
  // Kvrocks' suite asks for this, where Redis would say that the syntax is wrong.
  if (request.count > 3) return wrongArity(name);
  if (request.count === 2) return { request, count: undefined };
  const count = request.int64(2);
  if (count === undefined || count < 0n) return new Refusal(errors.outOfRange);
  return { request, count: Number(count) };
}

function runPop(call: Call, zsets: Zsets, { request, count }: PopInput, end: End, reply: ReplyWriter): void {
  const key = keyOf(call, request, 1);
  const opened = openCollection(zsets, key, call.nowMs, reply);
  if (opened === undefined) return;
  if (opened === 'absent' || count === 0) return reply.array(0);
  if (count !== undefined) return popRows(call, zsets, key, { end, count, form: 'flat' }, reply);
  reply.array(2);
  popOne(call, zsets, key, end, reply);
}

function zPop({ zsets }: SortedSets, end: End): CommandDefinition {
  const name = `zpop${end}`;
  return define<PopInput>({
    name,
    arity: -2,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '5.0.0',
    complexity: 'O(N) where N is the number of members removed.',
    summary: `Removes and returns the members with the ${end === 'min' ? 'lowest' : 'highest'} scores.`,
    parse: (request) => parsePop(request, name),
    run: (call, input, reply) => runPop(call, zsets, input, end, reply),
  });
}

/** What the commands on several keys take from the first of them that holds members. */
interface Taking {
  readonly end: End;
  readonly count: number;
  /** ZMPOP's form: the key, and pairs. Otherwise key, member and score in one array. */
  readonly isNested: boolean;
}

interface SeveralInput {
  readonly request: Request;
  /** The arguments that are keys. */
  readonly keys: readonly number[];
  readonly timeoutMs: number;
  readonly taking: Taking;
}

function replyPopped(call: Call, zsets: Zsets, key: UserKey, taking: Taking, reply: ReplyWriter): void {
  const { end, count, isNested } = taking;
  reply.array(isNested ? 2 : 3);
  reply.bulk(key.buffer, key.start, key.end);
  if (isNested) popRows(call, zsets, key, { end, count, form: 'pairs' }, reply);
  else popOne(call, zsets, key, end, reply);
}

/**
 * Takes from the first key that holds members.
 * @returns whether a reply was written: what was taken, or the error of a key of another type.
 */
function popSeveral(call: Call, zsets: Zsets, input: SeveralInput, reply: ReplyWriter): boolean {
  for (const index of input.keys) {
    const key = keyOf(call, input.request, index);
    const opened = openCollection(zsets, key, call.nowMs, reply);
    if (opened === 'absent') continue;
    if (opened === 'found') replyPopped(call, zsets, key, input.taking, reply);
    return true;
  }
  return false;
}

/** Waits for a sorted set under one of its keys; a key that became something else is waited for on. */
class PopWait implements Wait {
  readonly keys: readonly Buffer[];
  readonly timeoutMs: number;
  readonly #zsets: Zsets;
  readonly #taking: Taking;

  constructor(zsets: Zsets, input: SeveralInput) {
    this.#zsets = zsets;
    this.#taking = input.taking;
    this.timeoutMs = input.timeoutMs;
    this.keys = input.keys.map((index) => Buffer.from(input.request.bytes(index)));
  }

  retry(call: Call, reply: ReplyWriter): boolean {
    for (const bytes of this.keys) {
      const key = { ...spanOf(bytes), namespace: call.namespace };
      if (this.#zsets.open(key, call.nowMs) !== 'found') continue;
      replyPopped(call, this.#zsets, key, this.#taking, reply);
      return true;
    }
    return false;
  }

  expire(reply: ReplyWriter): void {
    reply.nilArray();
  }
}

function runBlocking(call: Call, zsets: Zsets, input: SeveralInput, reply: ReplyWriter): void {
  if (popSeveral(call, zsets, input, reply)) return;
  if (call.waits === undefined) reply.nilArray();
  else call.waits.begin(new PopWait(zsets, input));
}

function bzPop({ zsets }: SortedSets, end: End): CommandDefinition {
  return define<SeveralInput>({
    name: `bzpop${end}`,
    arity: -3,
    flags: ['write', 'fast', 'blocking'],
    keys: { first: 1, last: -2, step: 1 },
    group: 'sorted-set',
    since: '5.0.0',
    complexity: 'O(log(N))',
    summary: `Removes and returns the member with the ${end === 'min' ? 'lowest' : 'highest'} score, waiting for one.`,
    parse(request) {
      const timeoutMs = parseTimeout(request, request.count - 1);
      if (timeoutMs instanceof Refusal) return timeoutMs;
      const keys = Array.from({ length: request.count - 2 }, (_, i) => i + 1);
      return { request, keys, timeoutMs, taking: { end, count: 1, isNested: false } };
    },
    run: (call, input, reply) => runBlocking(call, zsets, input, reply),
  });
}

/** Arguments of ZMPOP and BZMPOP from numkeys on, which is argument `at`. */
function parseSeveral(request: Request, at: number, timeoutMs: number): SeveralInput | Refusal {
  const numkeys = parsePositive(request, at, 'numkeys');
  if (numkeys instanceof Refusal) return numkeys;
  const where = at + numkeys + 1;
  const end = where >= request.count ? undefined : endOf(request, where);
  if (end === undefined) return new Refusal(errors.syntax);
  let count: number | Refusal = 1;
  if (where + 1 < request.count) {
    if (where + 2 >= request.count || !request.is(where + 1, 'count')) return new Refusal(errors.syntax);
    count = parsePositive(request, where + 2, 'count');
    if (count instanceof Refusal) return count;
  }
  if (request.count > where + 3) return new Refusal(errors.syntax);
  return { request, keys: countedKeys(request, at), timeoutMs, taking: { end, count, isNested: true } };
}

function endOf(request: Request, index: number): End | undefined {
  if (request.is(index, 'min')) return 'min';
  return request.is(index, 'max') ? 'max' : undefined;
}

function zMPop({ zsets }: SortedSets): CommandDefinition {
  return define<SeveralInput>({
    name: 'zmpop',
    arity: -4,
    flags: ['write', 'slow'],
    keys: noKeys,
    keyIndexes: (request) => countedKeys(request, 1),
    group: 'sorted-set',
    since: '7.0.0',
    complexity: 'O(K+N) for K keys and N members removed.',
    summary: 'Removes and returns members of the first of several sorted sets that has some.',
    parse: (request) => parseSeveral(request, 1, 0),
    run(call, input, reply) {
      if (!popSeveral(call, zsets, input, reply)) reply.nilArray();
    },
  });
}

/** Redis' text, and behind it Kvrocks', which its suite asks for. */
const timeoutText = 'ERR timeout is not a float or out of range';

function bzMPop({ zsets }: SortedSets): CommandDefinition {
  return define<SeveralInput>({
    name: 'bzmpop',
    arity: -5,
    flags: ['write', 'slow', 'blocking'],
    keys: noKeys,
    keyIndexes: (request) => countedKeys(request, 2),
    group: 'sorted-set',
    since: '7.0.0',
    complexity: 'O(K+N) for K keys and N members removed.',
    summary: 'Removes and returns members of the first of several sorted sets that has some, waiting for one.',
    parse(request) {
      const timeoutMs = parseTimeout(request, 1);
      if (!(timeoutMs instanceof Refusal)) return parseSeveral(request, 2, timeoutMs);
      return timeoutMs.message === timeoutText ? new Refusal(`${timeoutText}: not started as a number`) : timeoutMs;
    },
    run: (call, input, reply) => runBlocking(call, zsets, input, reply),
  });
}

export function zsetPopCommands(of: SortedSets): CommandDefinition[] {
  return [zPop(of, 'min'), zPop(of, 'max'), zMPop(of), bzPop(of, 'min'), bzPop(of, 'max'), bzMPop(of)];
}
