/**
 * Replies as a client sees them: plain values where JavaScript has them, small classes where it has not.
 *
 * | wire | value |
 * |---|---|
 * | `+` simple string | string |
 * | `$` bulk string | Buffer |
 * | `:` integer | number, or bigint outside the safe range |
 * | `$-1`, `*-1`, `_` null | null |
 * | `-`, `!` error | ReplyError (a value: a refused command is no exception) |
 * | `*` array | array |
 * | `,` double | RespDouble |
 * | `#` boolean | boolean |
 * | `(` big number | bigint |
 * | `=` verbatim string | Verbatim |
 * | `%` map | ReplyMap |
 * | `~` set | ReplySet |
 * | `>` push | ReplyPush |
 * | `\|` attributes | read and dropped; the value after them stands alone |
 */

/** An error reply. Its first word is the code (`ERR`, `MOVED`, `READONLY`). */
export class ReplyError {
  /** The whole line, code included. */
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }

  get code(): string {
    const blank = this.message.indexOf(' ');
    return blank < 0 ? this.message : this.message.slice(0, blank);
  }

  toString(): string {
    return this.message;
  }
}

/** A RESP3 double; a class of its own, so that `1` and `1.0` stay different replies. */
export class RespDouble {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** Text with a three-letter format (`txt`, `mkd`). */
export class Verbatim {
  readonly format: string;
  readonly text: string;

  constructor(format: string, text: string) {
    this.format = format;
    this.text = text;
  }
}

/** A RESP3 map in the order it was sent. */
export class ReplyMap {
  readonly entries: readonly (readonly [Reply, Reply])[];

  constructor(entries: readonly (readonly [Reply, Reply])[]) {
    this.entries = entries;
  }

  /** The value of the first key that reads `name`; undefined when there is none. */
  get(name: string): Reply | undefined {
    return this.entries.find(([key]) => textOf(key) === name)?.[1];
  }
}

export class ReplySet {
  readonly items: readonly Reply[];

  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** An out-of-band message: answers no command. */
export class ReplyPush {
  readonly items: readonly Reply[];

  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

export type Reply =
  | string
  | Buffer
  | number
  | bigint
  | boolean
  | null
  | ReplyError
  | RespDouble
  | Verbatim
  | ReplyMap
  | ReplySet
  | ReplyPush
  | readonly Reply[];

/** The text of a reply that is one value: strings as UTF-8, numbers in decimal. Undefined for null, errors, aggregates. */
export function textOf(reply: Reply): string | undefined {
  if (typeof reply === 'string') return reply;
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (typeof reply === 'number' || typeof reply === 'bigint' || typeof reply === 'boolean') return String(reply);
  if (reply instanceof Verbatim) return reply.text;
  if (reply instanceof RespDouble) return String(reply.value);
  return undefined;
}

/** The elements of an array, a set or a push; the flattened entries of a map; undefined for anything else. */
export function itemsOf(reply: Reply): readonly Reply[] | undefined {
  if (Array.isArray(reply)) return reply as readonly Reply[];
  if (reply instanceof ReplySet || reply instanceof ReplyPush) return reply.items;
  if (reply instanceof ReplyMap) return reply.entries.flat();
  return undefined;
}
