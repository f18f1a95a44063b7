/**
 * What clients do beside writing and reading registers, as commands and as records: queues, streams, transactions and
 * scripts. Each client command of the drills is here once; what its reply must look like too.
 */
import type { Entry } from '@holdfast/history';
import { ReplyError, itemsOf, textOf, type Reply } from '@holdfast/resp';
import { readDeed, type Deed } from './recorder.ts';

/** A deed with the command that does it. */
export interface CommandDeed extends Deed {
  readonly args: readonly string[];
}

export const consumerGroup = 'drill';

/** GET of a register. */
export function read(key: string): CommandDeed {
  return { args: ['GET', key], ...readDeed };
}

/** RPUSH of a value that is unique to the list. */
export function push(key: string, value: string): CommandDeed {
  const part = { op: 'push', value } as const;
  return {
    args: ['RPUSH', key, value],
    unanswered: part,
    answered: (reply) => (typeof reply === 'number' ? part : undefined),
  };
}

/** LPOP. */
export function pop(key: string): CommandDeed {
  return { args: ['LPOP', key], ...popAnswered((reply) => reply) };
}

/** BLPOP that waits for up to `waitMs`. */
export function blockingPop(key: string, waitMs: number): CommandDeed {
  return { args: ['BLPOP', key, String(waitMs / 1000)], ...popAnswered((reply) => itemsOf(reply)?.[1]) };
}

function popAnswered(valueIn: (reply: Reply) => Reply | undefined): Deed {
  return {
    unanswered: { op: 'pop', value: null },
    answered: (reply) => {
      if (reply === null) return { op: 'pop', value: null };
      const value = textIn(valueIn(reply));
      return value === undefined ? undefined : { op: 'pop', value };
    },
  };
}

/** LRANGE of the whole list. */
export function readList(key: string): CommandDeed {
  return {
    args: ['LRANGE', key, '0', '-1'],
    unanswered: { op: 'list', values: [] },
    answered: (reply) => {
      const values = itemsOf(reply)?.map(textIn);
      return values?.every((value) => value !== undefined) === true ? { op: 'list', values } : undefined;
    },
  };
}

/** XADD of a value that is unique to the stream, under an id of the node's choice. */
export function add(key: string, value: string): CommandDeed {
  return {
    args: ['XADD', key, '*', 'value', value],
    unanswered: { op: 'add', value, entry: null },
    answered: (reply) => {
      const entry = textIn(reply);
      return entry === undefined ? undefined : { op: 'add', value, entry };
    },
  };
}

/** XRANGE of the whole stream. */
export function readStream(key: string): CommandDeed {
  return {
    args: ['XRANGE', key, '-', '+'],
    unanswered: { op: 'entries', entries: [] },
    answered: (reply) => {
      const entries = entriesIn(reply);
      return entries === undefined ? undefined : { op: 'entries', entries };
    },
  };
}

/**
 * XREADGROUP of the next entries of the group.
 * @param waitMs how long to wait for some; 0: not at all.
 */
export function deliver(key: string, consumer: string, waitMs: number): CommandDeed {
  const wait = waitMs === 0 ? [] : ['BLOCK', String(waitMs)];
  const args = ['XREADGROUP', 'GROUP', consumerGroup, consumer, 'COUNT', '100', ...wait, 'STREAMS', key, '>'];
  return { args, ...deliveryAnswered(false) };
}

/** XREADGROUP of what this consumer was delivered and has not acknowledged. */
export function deliverAgain(key: string, consumer: string): CommandDeed {
  const args = ['XREADGROUP', 'GROUP', consumerGroup, consumer, 'COUNT', '100', 'STREAMS', key, '0'];
  return { args, ...deliveryAnswered(true) };
}

function deliveryAnswered(isAgain: boolean): Deed {
  return {
    unanswered: { op: 'deliver', entries: [], isAgain },
    answered: (reply) => {
      if (reply === null) return { op: 'deliver', entries: [], isAgain };
      const entries = entriesIn(itemsOf(itemsOf(reply)?.[0] ?? null)?.[1]);
      return entries === undefined ? undefined : { op: 'deliver', entries, isAgain };
    },
  };
}

/** What EXEC answers to SET of two keys to one value. */
export function writeBoth(also: string, value: string): Deed {
  const part = { op: 'write', value, also } as const;
  const isDone = (reply: Reply): boolean => itemsOf(reply)?.every((item) => item === 'OK') === true;
  return { unanswered: part, answered: (reply) => (isDone(reply) ? part : undefined) };
}

/** A script that reads both keys of `writeBoth`. */
export const readBothScript = "return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}";

/** Reads both by a script. What EXEC answers to GET of both is recorded alike. */
export function readBoth(key: string, also: string): CommandDeed {
  return {
    args: ['EVAL', readBothScript, '2', key, also],
    unanswered: { op: 'read', value: null, also: { key: also, value: null } },
    answered: (reply) => {
      const items = itemsOf(reply);
      if (items === undefined || items.some((item) => item instanceof ReplyError)) return undefined;
      const [value, beside] = [items[0] ?? null, items[1] ?? null].map((item) => textIn(item) ?? null);
      return { op: 'read', value: value ?? null, also: { key: also, value: beside ?? null } };
    },
  };
}

export const incrementScript = "return redis.call('INCR', KEYS[1])";

/** Adds one to a counter in a script. */
export function increment(key: string): CommandDeed {
  return {
    args: ['EVAL', incrementScript, '1', key],
    unanswered: { op: 'increment', count: null },
    answered: (reply) => (typeof reply === 'number' ? { op: 'increment', count: reply } : undefined),
  };
}

/** GET of a counter. */
export function readCount(key: string): CommandDeed {
  return {
    args: ['GET', key],
    unanswered: { op: 'count', count: null },
    answered: (reply) => {
      const text = reply === null ? '0' : textIn(reply);
      return text !== undefined && /^\d+$/.test(text) ? { op: 'count', count: Number(text) } : undefined;
    },
  };
}

function textIn(reply: Reply | undefined): string | undefined {
  return reply === undefined || reply === null || reply instanceof ReplyError ? undefined : textOf(reply);
}

function entriesIn(reply: Reply | undefined): Entry[] | undefined {
  const items = reply === undefined ? undefined : itemsOf(reply);
  if (items === undefined) return undefined;
  const entries: Entry[] = [];
  for (const item of items) {
    const [id, fields] = itemsOf(item) ?? [];
    const value = fields === undefined ? undefined : itemsOf(fields)?.[1];
    const [idText, valueText] = [textIn(id), textIn(value)];
    if (idText === undefined || valueText === undefined) return undefined;
    entries.push([idText, valueText]);
  }
  return entries;
}
