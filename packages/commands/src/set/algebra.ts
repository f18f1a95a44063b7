/**
 * Intersection, union and difference: SINTER, SUNION, SDIFF, their STORE forms and SINTERCARD. Members stand in byte order, so
 * a union is a merge of the sets, and the others walk through one set and ask the rest or walk beside them; nothing is
 * gathered in between, and results come in byte order.
 */
import { Sets, type DataTypes, type Span } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, noKeys, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf } from '../data/arguments.ts';
import { countedKeys } from '../data/numkeys.ts';
import { notify } from '../events.ts';
import { UnionWalk, compareMembers } from './union-walk.ts';

type Operation = 'inter' | 'union' | 'diff';

/** Is given each member of a result; false asks for no more. The span is valid during the call. */
type Take = (member: Span) => boolean;

/** Objects that are kept for the next command; more are made for each. */
const keptMax = 32;

/** The sets that a command works on: objects are kept and opened again by the next command. */
class Operands {
  readonly #types: DataTypes;
  readonly #kept: Sets[] = [];

  constructor(types: DataTypes) {
    this.#types = types;
  }

  /**
   * Opens the sets of the arguments from `first` to before `end`; one that does not exist has size 0.
   * @returns undefined when an error was written.
   */
  open(call: Call, request: Request, first: number, end: number, reply: ReplyWriter): Sets[] | undefined {
    const opened: Sets[] = [];
    for (let index = first; index < end; index++) {
      const sets = this.#kept[index - first] ?? new Sets(this.#types.records);
      if (index - first < keptMax) this.#kept[index - first] = sets;
      if (sets.open(keyOf(call, request, index), call.nowMs) === 'wrong-type') {
        reply.error(errors.wrongType);
        return undefined;
      }
      opened.push(sets);
    }
    return opened;
  }
}

/** Walks through `walked` and takes what `isTaken` says of each of its members. */
function filtered(walked: Sets, isTaken: (member: Span) => boolean, take: Take): void {
  const entries = walked.iterate({ keysOnly: true });
  try {
    while (entries.next()) {
      const { key } = entries;
      const member = { buffer: key.buffer, start: key.start + walked.prefixLength, end: key.end };
      if (isTaken(member) && !take(member)) return;
    }
  } finally {
    entries.close();
  }
}

function intersect(sets: readonly Sets[], take: Take): void {
  if (sets.some(({ size }) => size === 0)) return;
  const [smallest, ...others] = [...sets].sort((a, b) => a.size - b.size);
  filtered(smallest as Sets, (member) => others.every((set) => set.has(member)), take);
}

/** A look-up costs about as much as this many steps of a walk. */
const stepsOfLookUp = 4;

/** Asks the other sets for each member, or walks through them beside the first, whichever is less work. */
function subtract([first, ...others]: readonly Sets[], take: Take): void {
  if (first === undefined || first.size === 0) return;
  const walked = others.reduce((sum, set) => sum + set.size, 0);
  if (walked > first.size * others.length * stepsOfLookUp) {
    return filtered(first, (member) => !others.some((set) => set.has(member)), take);
  }
  const walk = new UnionWalk(others);
  try {
    walk.next();
    const isLeft = (member: Span): boolean => {
      while (walk.member !== undefined) {
        const order = compareMembers(walk.member, member);
        if (order >= 0) return order > 0;
        walk.next();
      }
      return true;
    };
    filtered(first, isLeft, take);
  } finally {
    walk.close();
  }
}

function unite(sets: readonly Sets[], take: Take): void {
  const walk = new UnionWalk(sets);
  try {
    while (walk.next()) if (!take(walk.member as Span)) return;
  } finally {
    walk.close();
  }
}

const operations: Readonly<Record<Operation, (sets: readonly Sets[], take: Take) => void>> = {
  inter: intersect,
  union: unite,
  diff: subtract,
};

const summaries: Readonly<Record<Operation, readonly [string, string]>> = {
  inter: ['Returns the members that all of several sets have.', 'Stores the members that all of several sets have.'],
  union: ['Returns the members that any of several sets has.', 'Stores the members that any of several sets has.'],
  diff: [
    'Returns the members of a set that several others do not have.',
    'Stores the members of a set that several others do not have.',
  ],
};

const complexities: Readonly<Record<Operation, string>> = {
  inter: 'O(N*M) where N is the size of the smallest set and M the number of sets.',
  union: 'O(N*log(M)) where N is the number of members of all sets and M the number of sets.',
  diff: 'O(N*M) where N is the size of the first set and M the number of sets, or what walking through all takes.',
};

function resultCommand(operands: Operands, operation: Operation): CommandDefinition {
  return define<Request>({
    name: `s${operation}`,
    arity: -2,
    flags: ['readonly', 'slow'],
    keys: { first: 1, last: -1, step: 1 },
    group: 'set',
    since: '1.0.0',
    complexity: complexities[operation],
    summary: summaries[operation][0],
    parse: itself,
    run(call, request, reply) {
      const sets = operands.open(call, request, 1, request.count, reply);
      if (sets === undefined) return;
      const members = reply.body();
      let count = 0;
      operations[operation](sets, ({ buffer, start, end }) => {
        members.bulk(buffer, start, end);
        count++;
        return true;
      });
      reply.set(count);
      reply.raw(members.take());
    },
  });
}

/** Replaces whatever the destination was; an empty result deletes it. Sources are read as they were before. */
function storeCommand(types: DataTypes, operands: Operands, operation: Operation): CommandDefinition {
  const target = new Sets(types.records);
  const name = `s${operation}store`;
  return define<Request>({
    name,
    arity: -3,
    flags: ['write', 'slow'],
    keys: { first: 1, last: -1, step: 1 },
    group: 'set',
    since: '1.0.0',
    complexity: complexities[operation],
    summary: summaries[operation][1],
    parse: itself,
    run(call, request, reply) {
      const sets = operands.open(call, request, 2, request.count, reply);
      if (sets === undefined) return;
      const key = keyOf(call, request, 1);
      let stored = 0;
      operations[operation](sets, (member) => {
        if (stored++ === 0) target.create(key);
        target.addNew(member);
        return true;
      });
      if (stored > 0) {
        target.save(key);
        notify(call, 's', name, key);
      } else if (types.keyspace.delete(key, call.nowMs)) notify(call, 'g', 'del', key);
      reply.integer(stored);
    },
  });
}

interface CardInput {
  readonly request: Request;
  readonly keyCount: number;
  /** 0 for none. */
  readonly limit: number;
}

/** Redis' texts first, for they are what clients know; then those that Kvrocks' own suite asks for. */
const refusals = {
  keyCountNotInteger: 'ERR numkeys should be greater than 0: value is not an integer or out of range',
  keyCountNotPositive: 'ERR numkeys should be greater than 0: value is out of range, must be positive',
  tooFewKeys: "ERR Number of keys can't be greater than number of args",
  moreArguments: 'ERR syntax error: wrong number of arguments',
  negativeLimit: "ERR LIMIT can't be negative",
  limitNotInteger: "ERR LIMIT can't be negative: value is not an integer or out of range",
} as const;

function parseCard(request: Request): CardInput | Refusal {
  const keyCount = request.integer(1);
  if (Number.isNaN(keyCount)) return new Refusal(refusals.keyCountNotInteger);
  if (keyCount <= 0) return new Refusal(refusals.keyCountNotPositive);
  const end = 2 + keyCount;
  if (end > request.count) return new Refusal(refusals.tooFewKeys);
  if (end === request.count) return { request, keyCount, limit: 0 };
  if (request.count !== end + 2 || !request.is(end, 'limit')) return new Refusal(refusals.moreArguments);
  const limit = request.integer(end + 1);
  if (Number.isNaN(limit)) return new Refusal(refusals.limitNotInteger);
  return limit < 0 ? new Refusal(refusals.negativeLimit) : { request, keyCount, limit };
}

function sInterCard(operands: Operands): CommandDefinition {
  return define<CardInput>({
    name: 'sintercard',
    arity: -3,
    flags: ['readonly', 'slow'],
    keys: noKeys,
    keyIndexes: (request) => countedKeys(request, 1),
    group: 'set',
    since: '7.0.0',
    complexity: complexities.inter,
    summary: 'Counts the members that all of several sets have, up to a limit.',
    parse: parseCard,
    run(call, { request, keyCount, limit }, reply) {
      const sets = operands.open(call, request, 2, 2 + keyCount, reply);
      if (sets === undefined) return;
      let count = 0;
      intersect(sets, () => ++count !== limit);
      reply.integer(count);
    },
  });
}

export function setAlgebraCommands(types: DataTypes): CommandDefinition[] {
  const operands = new Operands(types);
  const kinds: readonly Operation[] = ['inter', 'union', 'diff'];
  return [
    ...kinds.map((operation) => resultCommand(operands, operation)),
    ...kinds.map((operation) => storeCommand(types, operands, operation)),
    sInterCard(operands),
  ];
}
