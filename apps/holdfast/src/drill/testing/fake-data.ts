/**
 * What a fake node does with keys that are no registers. A key holds a text whatever it is, so that copies and losses of
 * keys need not know what: lists, streams and counters are JSON in it. Nobody waits here: there is nothing, at once.
 */
import type { ReplyWriter } from '@holdfast/resp';
import { readBothScript } from '../deeds.ts';

interface Stream {
  readonly entries: (readonly [id: string, value: string])[];
  /** How many of them were delivered to the group; undefined: there is none. */
  delivered?: number;
  pending: string[];
}

/** What became of a command: how it is answered, and what its key holds then (undefined: as before). */
export interface Outcome {
  reply(replies: ReplyWriter): void;
  readonly after?: string;
}

export type Values = (key: string) => string | undefined;

/** @returns undefined for a command that is not known here. */
export function executeData(args: readonly string[], values: Values): Outcome | undefined {
  const [name = '', key = ''] = args;
  const kind = kinds[name.toLowerCase()];
  return kind?.(args, values(key), values);
}

/** Where the key of a command stands among its arguments. */
export function keyOf(args: readonly string[]): string {
  const name = args[0]?.toLowerCase();
  if (name === 'eval') return args[3] ?? '';
  if (name === 'xgroup') return args[2] ?? '';
  if (name === 'xreadgroup') return args.at(-2) ?? '';
  return args[1] ?? '';
}

type Kind = (args: readonly string[], before: string | undefined, values: Values) => Outcome;

const kinds: Readonly<Record<string, Kind>> = {
  get: (_, before) => ({ reply: text(before) }),
  set: ([, , value = '']) => ({ reply: (replies) => replies.ok(), after: value }),
  rpush([, , value = ''], before) {
    const list = [...listIn(before), value];
    return { reply: (replies) => replies.integer(list.length), after: JSON.stringify(list) };
  },
  lpop(_, before) {
    const [first, ...rest] = listIn(before);
    return { reply: text(first), ...(first === undefined ? {} : { after: JSON.stringify(rest) }) };
  },
  blpop([, key = ''], before) {
    const [first, ...rest] = listIn(before);
    if (first === undefined) return { reply: (replies) => replies.nilArray() };
    return { reply: texts([key, first]), after: JSON.stringify(rest) };
  },
  llen: (_, before) => ({ reply: (replies) => replies.integer(listIn(before).length) }),
  lrange: (_, before) => ({ reply: texts(listIn(before)) }),
  xadd([, , , , value = ''], before) {
    const stream = streamIn(before);
    const id = `1-${stream.entries.length + 1}`;
    stream.entries.push([id, value]);
    return { reply: text(id), after: JSON.stringify(stream) };
  },
  xrange: (_, before) => ({ reply: entriesOf(streamIn(before).entries) }),
  xgroup(args, _, values) {
    const stream = streamIn(values(keyOf(args)));
    if (stream.delivered !== undefined) return { reply: (replies) => replies.error('BUSYGROUP it is there') };
    return { reply: (replies) => replies.ok(), after: JSON.stringify({ ...stream, delivered: 0 }) };
  },
  xreadgroup(args, _, values) {
    const key = keyOf(args);
    const stream = streamIn(values(key));
    const isAgain = args.at(-1) === '0';
    const due = isAgain
      ? stream.entries.filter(([id]) => stream.pending.includes(id))
      : stream.entries.slice(stream.delivered);
    const reply = (replies: ReplyWriter): void => {
      if (due.length === 0 && !isAgain) return replies.nilArray();
      replies.array(1);
      replies.array(2);
      replies.bulkText(key);
      entriesOf(due)(replies);
    };
    if (isAgain) return { reply };
    const pending = [...stream.pending, ...due.map(([id]) => id)];
    return { reply, after: JSON.stringify({ ...stream, delivered: stream.entries.length, pending }) };
  },
  xack([, , , ...ids], before) {
    const stream = streamIn(before);
    const pending = stream.pending.filter((id) => !ids.includes(id));
    return { reply: (replies) => replies.integer(ids.length), after: JSON.stringify({ ...stream, pending }) };
  },
  eval([, script, , key = '', other = ''], _, values) {
    if (script === readBothScript) return { reply: nullable([values(key), values(other)]) };
    const count = Number(values(key) ?? '0') + 1;
    return { reply: (replies) => replies.integer(count), after: String(count) };
  },
};

function listIn(value: string | undefined): string[] {
  return value === undefined ? [] : (JSON.parse(value) as string[]);
}

function streamIn(value: string | undefined): Stream {
  return value === undefined ? { entries: [], pending: [] } : (JSON.parse(value) as Stream);
}

function text(value: string | undefined): (replies: ReplyWriter) => void {
  return (replies) => (value === undefined ? replies.nil() : replies.bulkText(value));
}

function texts(values: readonly string[]): (replies: ReplyWriter) => void {
  return nullable(values);
}

function nullable(values: readonly (string | undefined)[]): (replies: ReplyWriter) => void {
  return (replies) => {
    replies.array(values.length);
    for (const value of values) text(value)(replies);
  };
}

function entriesOf(entries: Stream['entries']): (replies: ReplyWriter) => void {
  return (replies) => {
    replies.array(entries.length);
    for (const [id, value] of entries) {
      replies.array(2);
      replies.bulkText(id);
      texts(['value', value])(replies);
    }
  };
}
