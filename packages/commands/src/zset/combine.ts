/**
 * Union, intersection and difference of sorted sets: ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD. Plain sets may
 * take part; their members have the score 1. Results are gathered in memory and sorted by score, since every input may
 * change every score.
 */
import type { Collection, Zsets } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, noKeys, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { parseDouble } from '../data/doubles.ts';
import { countedKeys, parseInputCount } from '../data/numkeys.ts';
import { replyGathered, storeGathered, type ScoredMember, type SortedSets } from './sorted-sets.ts';

type Operation = 'union' | 'inter' | 'diff';
type Aggregate = 'sum' | 'min' | 'max';

interface CombineInput {
  readonly request: Request;
  /** The argument that is the first input key. */
  readonly first: number;
  readonly count: number;
  readonly weights: Float64Array | undefined;
  readonly aggregate: Aggregate;
  readonly withScores: boolean;
  /** ZINTERCARD: where to stop counting; 0: nowhere. */
  readonly limit: number;
}

/** One input, by the argument that names it. */
interface Operand {
  readonly index: number;
  readonly size: number;
  readonly weight: number;
}

/** Infinity less infinity, and 0 times infinity, count as 0. */
function numberOr0(value: number): number {
  return Number.isNaN(value) ? 0 : value;
}

/** `b` may be no number: a sum with it is 0, and it is neither less nor more than anything. */
function combined(aggregate: Aggregate, a: number, b: number): number {
  if (aggregate === 'sum') return numberOr0(a + b);
  if (aggregate === 'min') return b < a ? b : a;
  return b > a ? b : a;
}

/** One command at work: inputs are opened one at a time, and again when they are read. */
class Combination {
  readonly #call: Call;
  readonly #of: SortedSets;
  readonly #input: CombineInput;
  /** What is open: `#zset`, or else the set. */
  #isZset = false;

  constructor(call: Call, of: SortedSets, input: CombineInput) {
    this.#call = call;
    this.#of = of;
    this.#input = input;
  }

  get #zsets(): Zsets {
    return this.#of.zsets;
  }

  #open(index: number): Collection | undefined {
    const key = keyOf(this.#call, this.#input.request, index);
    const { nowMs } = this.#call;
    const { zsets, sets } = this.#of;
    this.#isZset = zsets.open(key, nowMs) !== 'wrong-type';
    if (this.#isZset) return zsets;
    return sets.open(key, nowMs) === 'wrong-type' ? undefined : sets;
  }

  /** The inputs; undefined when one of them is neither a sorted set nor a set. */
  operands(): Operand[] | undefined {
    const { first, count, weights } = this.#input;
    const operands: Operand[] = [];
    for (let i = 0; i < count; i++) {
      const opened = this.#open(first + i);
      if (opened === undefined) return undefined;
      operands.push({ index: first + i, size: opened.size, weight: weights?.[i] ?? 1 });
    }
    return operands;
  }

  /** Gives `take` all members of an input with their weighted scores; stops when it answers false. */
  #each({ index, size, weight }: Operand, take: (member: string, score: number) => boolean | void): void {
    if (size === 0) return;
    const opened = this.#open(index) as Collection;
    if (this.#isZset) {
      const walk = this.#zsets.walkMembers();
      try {
        while (walk.next()) {
          const { buffer, start, end } = walk.member;
          if (take(buffer.latin1Slice(start, end), numberOr0(walk.score * weight)) === false) return;
        }
      } finally {
        walk.close();
      }
      return;
    }
    const entries = opened.iterate({ keysOnly: true });
    try {
      while (entries.next()) {
        const { buffer, start, end } = entries.key;
        if (take(buffer.latin1Slice(start + opened.prefixLength, end), weight) === false) return;
      }
    } finally {
      entries.close();
    }
  }

  /** The weighted score, NaN included as in Redis, of a member of the input opened last; undefined when it is none. */
  #scoreOf(opened: Collection, member: string, weight: number): number | undefined {
    const buffer = Buffer.from(member, 'latin1');
    const span = { buffer, start: 0, end: buffer.length };
    if (this.#isZset) return this.#zsets.find(span) ? this.#zsets.score * weight : undefined;
    opened.subkeyOf(span);
    return opened.fetch() ? weight : undefined;
  }

  union(operands: readonly Operand[]): Map<string, number> {
    const { aggregate } = this.#input;
    const scores = new Map<string, number>();
    for (const operand of operands) {
      this.#each(operand, (member, score) => {
        const before = scores.get(member);
        scores.set(member, before === undefined ? score : combined(aggregate, before, score));
      });
    }
    return scores;
  }

  /** Gathers the smallest input and asks the others about its members. */
  inter([smallest, ...others]: readonly Operand[]): Map<string, number> {
    const { aggregate } = this.#input;
    const scores = new Map<string, number>();
    if (smallest === undefined || smallest.size === 0) return scores;
    this.#each(smallest, (member, score) => void scores.set(member, score));
    for (const { index, weight } of others) {
      const opened = this.#open(index) as Collection;
      for (const [member, before] of scores) {
        const score = this.#scoreOf(opened, member, weight);
        if (score === undefined) scores.delete(member);
        else scores.set(member, combined(aggregate, before, score));
      }
    }
    return scores;
  }

  /** Strikes out of the first input what the others have: by asking them, or by walking those that are smaller. */
  diff([first, ...others]: readonly Operand[]): Map<string, number> {
    const scores = new Map<string, number>();
    if (first === undefined) return scores;
    this.#each(first, (member, score) => void scores.set(member, score));
    for (const operand of others) {
      if (scores.size === 0) break;
      if (operand.size < scores.size) this.#each(operand, (member) => void scores.delete(member));
      else {
        const opened = this.#open(operand.index) as Collection;
        for (const member of scores.keys()) {
          if (this.#scoreOf(opened, member, 1) !== undefined) scores.delete(member);
        }
      }
    }
    return scores;
  }
}

/** The result of an operation; undefined when an error was written. */
function combine(
  call: Call,
  of: SortedSets,
  operation: Operation,
  input: CombineInput,
  reply: ReplyWriter,
): Map<string, number> | undefined {
  const combination = new Combination(call, of, input);
  const operands = combination.operands();
  if (operands === undefined) {
    reply.error(errors.wrongType);
    return undefined;
  }
  if (operation === 'diff') return combination.diff(operands);
  // From the smallest on, as Redis does: sums of floats depend on the order.
  operands.sort((a, b) => a.size - b.size);
  return operation === 'union' ? combination.union(operands) : combination.inter(operands);
}

/** By score, then in byte order; the two zeros are one score. */
function sorted(scores: ReadonlyMap<string, number>): ScoredMember[] {
  return [...scores].sort(([a, x], [b, y]) => (x !== y ? x - y || (x < y ? -1 : 1) : a < b ? -1 : 1));
}

interface CombineForm {
  readonly name: string;
  readonly operation: Operation;
  readonly kind: 'read' | 'store' | 'count';
}

function takeWeights(request: Request, at: number, count: number): Float64Array | Refusal {
  const weights = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const weight = parseDouble(request.latin1(at + i));
    if (Number.isNaN(weight)) {
      return new Refusal('ERR weight value is not a float: weight is not a double or out of range');
    }
    weights[i] = weight;
  }
  return weights;
}

function aggregateOf(request: Request, index: number): Aggregate | Refusal {
  if (request.is(index, 'sum')) return 'sum';
  if (request.is(index, 'min')) return 'min';
  return request.is(index, 'max') ? 'max' : new Refusal('ERR syntax error: aggregate param error');
}

interface CombineOptions {
  weights: Float64Array | undefined;
  aggregate: Aggregate;
  withScores: boolean;
  limit: number;
}

/** Takes the option at `index`. @returns how many arguments it had; 0 when the command has no such option. */
function takeOption(
  request: Request,
  index: number,
  { kind, operation }: CombineForm,
  count: number,
  options: CombineOptions,
): number | Refusal {
  const left = request.count - index;
  const hasScores = operation !== 'diff' && kind !== 'count';
  if (hasScores && left > count && request.is(index, 'weights')) {
    const weights = takeWeights(request, index + 1, count);
    if (weights instanceof Refusal) return weights;
    options.weights = weights;
    return count + 1;
  }
  if (hasScores && left > 1 && request.is(index, 'aggregate')) {
    const aggregate = aggregateOf(request, index + 1);
    if (aggregate instanceof Refusal) return aggregate;
    options.aggregate = aggregate;
    return 2;
  }
  if (kind === 'read' && request.is(index, 'withscores')) {
    options.withScores = true;
    return 1;
  }
  return kind === 'count' && left > 1 && request.is(index, 'limit') ? takeLimit(request, index, options) : 0;
}

function takeLimit(request: Request, index: number, options: CombineOptions): number | Refusal {
  options.limit = request.integer(index + 1);
  return options.limit >= 0 ? 2 : new Refusal("ERR LIMIT can't be negative");
}

function parseCombine(request: Request, form: CombineForm): CombineInput | Refusal {
  const at = form.kind === 'store' ? 2 : 1;
  const count = parseInputCount(request, at, form.name);
  if (count instanceof Refusal) return count;
  const options: CombineOptions = { weights: undefined, aggregate: 'sum', withScores: false, limit: 0 };
  for (let index = at + 1 + count; index < request.count;) {
    const taken = takeOption(request, index, form, count, options);
    if (taken instanceof Refusal) return taken;
    if (taken === 0) return new Refusal(errors.syntax);
    index += taken;
  }
  return { request, first: at + 1, count, ...options };
}

const what: Readonly<Record<Operation, string>> = {
  union: 'the union of sorted sets',
  inter: 'the intersection of sorted sets',
  diff: 'the members of a sorted set that are in none of the others',
};

function combineCommand(of: SortedSets, form: CombineForm, since: string): CommandDefinition {
  const { name, operation, kind } = form;
  const verbs = { read: 'Returns', store: 'Stores', count: 'Counts' };
  return define<CombineInput>({
    name,
    arity: kind === 'store' ? -4 : -3,
    flags: [kind === 'store' ? 'write' : 'readonly', 'slow'],
    keys: kind === 'store' ? { first: 1, last: 1, step: 1 } : noKeys,
    keyIndexes: (request) => (kind === 'store' ? [1, ...countedKeys(request, 2)] : countedKeys(request, 1)),
    group: 'sorted-set',
    since,
    complexity: 'O(N log(N)) where N is the number of members of all inputs, those of the smallest for intersections.',
    summary: `${verbs[kind]} ${what[operation]}.`,
    parse: (request) => parseCombine(request, form),
    run(call, input, reply) {
      const scores = combine(call, of, operation, input, reply);
      if (scores === undefined) return;
      if (kind === 'read') return replyGathered(reply, sorted(scores), input.withScores);
      if (kind === 'store') storeGathered(call, of, keyOf(call, input.request, 1), [...scores], name);
      reply.integer(kind === 'count' && input.limit > 0 ? Math.min(input.limit, scores.size) : scores.size);
    },
  });
}

export function zsetCombineCommands(of: SortedSets): CommandDefinition[] {
  return [
    combineCommand(of, { name: 'zunion', operation: 'union', kind: 'read' }, '6.2.0'),
    combineCommand(of, { name: 'zinter', operation: 'inter', kind: 'read' }, '6.2.0'),
    combineCommand(of, { name: 'zdiff', operation: 'diff', kind: 'read' }, '6.2.0'),
    combineCommand(of, { name: 'zunionstore', operation: 'union', kind: 'store' }, '2.0.0'),
    combineCommand(of, { name: 'zinterstore', operation: 'inter', kind: 'store' }, '2.0.0'),
    combineCommand(of, { name: 'zdiffstore', operation: 'diff', kind: 'store' }, '6.2.0'),
    combineCommand(of, { name: 'zintercard', operation: 'inter', kind: 'count' }, '7.0.0'),
  ];
}
