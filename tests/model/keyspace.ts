/**
 * The keys of the model: plain maps, sets and arrays, with the rules that all types share. Time is a window: a command ran
 * after `sinceMs` and before `untilMs`, so a lifetime given in seconds from then ends within as wide a window.
 */
import { Refusal } from './reply.ts';

export interface Group {
  last: StreamId;
  /** By consumer, in the order of ids. */
  pending: { id: StreamId; consumer: string; count: number }[];
  consumers: Set<string>;
}

export type StreamId = readonly [ms: number, seq: number];

export interface StreamValue {
  readonly type: 'stream';
  entries: { id: StreamId; fields: string[] }[];
  last: StreamId;
  groups: Map<string, Group>;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export type Value =
  | { readonly type: 'string'; text: string }
  | { readonly type: 'bitmap'; text: string }
  | { readonly type: 'hash'; readonly fields: Map<string, string> }
  | { readonly type: 'list'; items: string[] }
  | { readonly type: 'set'; readonly members: Set<string> }
  | { readonly type: 'zset'; readonly scores: Map<string, number> }
  | { readonly type: 'sortedint'; readonly ids: Set<number> }
  | { readonly type: 'hyperloglog'; readonly members: Set<string> }
  | { readonly type: 'MBbloom--'; readonly members: Set<string> }
  | { readonly type: 'ReJSON-RL'; json: Json }
  | StreamValue;

export type Type = Value['type'];
export type ValueOf<T extends Type> = Extract<Value, { readonly type: T }>;

export interface Lifetime {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Entry {
  value: Value;
  /** When it dies; undefined never. */
  dies?: Lifetime | undefined;
}

const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value';

/** In byte order, as everything that has no order of its own is answered. */
export function inOrder(texts: Iterable<string>): string[] {
  return [...texts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

function isEmpty(value: Value): boolean {
  switch (value.type) {
    case 'hash':
      return value.fields.size === 0;
    case 'list':
      return value.items.length === 0;
    case 'set':
      return value.members.size === 0;
    case 'zset':
      return value.scores.size === 0;
    case 'sortedint':
      return value.ids.size === 0;
    default:
      return false;
  }
}

export class Keyspace {
  entries: Map<string, Entry> = new Map();
  sinceMs = 0;
  untilMs = 0;

  copy(): Keyspace {
    const copy = new Keyspace();
    copy.entries = structuredClone(this.entries);
    copy.sinceMs = this.sinceMs;
    copy.untilMs = this.untilMs;
    return copy;
  }

  find<T extends Type>(key: string, ...types: T[]): ValueOf<T> | undefined {
    const value = this.entries.get(key)?.value;
    if (value === undefined) return undefined;
    if (!(types as Type[]).includes(value.type)) throw new Refusal(wrongType);
    return value as ValueOf<T>;
  }

  /** As `find`, putting `fresh` where nothing is. */
  open<T extends Value>(key: string, fresh: T): T {
    const found = this.find(key, fresh.type) as T | undefined;
    if (found !== undefined) return found;
    this.entries.set(key, { value: fresh });
    return fresh;
  }

  /** Replaces whatever was there, its lifetime included. */
  put(key: string, value: Value, dies?: Lifetime): void {
    this.entries.set(key, { value, dies });
  }

  /** A lifetime of so many ms from the moment of the command. */
  after(ms: number): Lifetime {
    return { fromMs: this.sinceMs + ms, toMs: this.untilMs + ms };
  }

  /** Removes what has died and collections that became empty. */
  sweep(nowMs: number): void {
    for (const [key, { value, dies }] of this.entries) {
      if (isEmpty(value) || (dies !== undefined && dies.toMs < nowMs)) this.entries.delete(key);
    }
  }
}

/** Models of commands by name; `args` are without it. */
export type Models = Readonly<Record<string, (keys: Keyspace, args: string[]) => import('./reply.ts').Expected>>;

const integer = /^(0|-?[1-9][0-9]*)$/;

export function integerOf(text: string): number {
  if (!integer.test(text) || !Number.isSafeInteger(Number(text)))
    throw new Refusal('ERR value is not an integer or out of range');
  return Number(text);
}

/** A slice as LRANGE, GETRANGE and ZRANGE take it: both ends included, negative ones from the end. */
export function sliceOf(length: number, start: number, stop: number): [number, number] {
  const from = Math.max(0, start < 0 ? length + start : start);
  const to = Math.min(length - 1, stop < 0 ? length + stop : stop);
  return from > to ? [0, 0] : [from, to + 1];
}
