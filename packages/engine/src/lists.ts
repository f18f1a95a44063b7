/**
 * Lists: every element is a sub key named by its position, an unsigned 64-bit number; the metadata's tail holds the position
 * of the first element and the one after the last. A list begins in the middle, at 2^63 - 1, and grows both ways, so pushes
 * and pops at either end touch one element and any element is found with one lookup. (Kvrocks types/redis_list.cc)
 *
 * Positions are kept as distances from that middle: as such they are small, where the numbers themselves lie beyond what a
 * JavaScript number holds exactly.
 *
 * What is written, and in which order, is what Kvrocks writes, so that both logs read the same. A list that lost its last
 * element loses its metadata record too.
 */
import { OperationError } from '@holdfast/base';
import { Window, sameBytes, spanOf, type Scratch, type Span } from './bytes.ts';
import { Collection } from './collection.ts';
import type { Engine } from './engine.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { family } from './families.ts';
import { readFrames, readPopped } from './list-reads.ts';
import type { ListGroup } from './list-runs.ts';
import { typeId } from './metadata-value.ts';
import { groupHashOf } from './overlay.ts';
import type { Records } from './records.ts';
import type { UserKey } from './stored-key.ts';

export type ListSide = 'left' | 'right';

/** Where a list begins: 2^63 - 1, in halves. */
const middleHigh = 0x7fffffff;
const middleLow = 0xffffffff;
const half = 0x100000000;
/** Distances up to this, and their sums with `middleLow`, are exact. */
const distanceMax = 2 ** 52;

const positionBytes = 8;
const tailBytes = 2 * positionBytes;
const noSpan: Span = spanOf('');
/** Above it elements are erased as a range. */
const erasedOneByOneMax = 1024;

/** LogData texts (docs/formats/keys.md); those with arguments are made by `sayWith`. */
const pushLog = { left: Buffer.from('3 6'), right: Buffer.from('3 7') } as const;
const popLog = { left: Buffer.from('3 3'), right: Buffer.from('3 4') } as const;

export class Lists extends Collection {
  /** Elements stand at positions from `first` to before `end`, as distances from the middle. */
  first = 0;
  end = 0;
  #savedFirst = 0;
  #savedEnd = 0;
  #log: Uint8Array | undefined;
  readonly #frames = new Window();

  constructor(records: Records) {
    super(records, typeId.list);
  }

  protected override enter(key: UserKey): void {
    super.enter(key);
    const { tail } = this;
    if (this.size === 0) this.first = this.end = 0;
    else if (tail.length < tailBytes) throw corrupt(`its metadata ends after ${tail.length} of ${tailBytes} bytes`);
    else {
      this.first = readPosition(tail, 0);
      this.end = readPosition(tail, positionBytes);
    }
    this.#savedFirst = this.first;
    this.#savedEnd = this.end;
    this.#log = undefined;
  }

  /** What the log is told about the records that follow; undefined: nothing, they belong to what was said before. */
  say(text: Uint8Array | undefined): void {
    this.#log = text;
  }

  protected override writeLog(): void {
    if (this.#log !== undefined) this.records.engine.tick.logData(this.#log);
  }

  /** Adds an element at an end. */
  push(side: ListSide, value: Span): void {
    this.#log = pushLog[side];
    this.append(side, value);
  }

  /** As `push`, without saying so in the log. */
  append(side: ListSide, value: Span): void {
    this.putAt(side === 'left' ? --this.first : this.end++, value);
    this.size++;
  }

  /** Reads the element `index` places behind the first, below `size`, into `value`. */
  read(index: number): void {
    this.#fetchAt(this.first + index);
  }

  /** Reads the element at an end of a list that has one, which is to be taken away, into `value`. */
  peek(side: ListSide): void {
    const isLeft = side === 'left';
    const position = isLeft ? this.first : this.end - 1;
    if (this.isNew || !readPopped(this, position, isLeft ? 1 : -1, this.value)) this.#fetchAt(position);
  }

  /**
   * Elements at positions from `from` to before `to` as bulk strings of RESP, one after the other; valid until the next read.
   * @returns undefined when they are not at hand as such: then `elements` reads them.
   */
  frames(from: number, to: number): Span | undefined {
    return readFrames(this, from, to, this.#frames) ? this.#frames : undefined;
  }

  get engine(): Engine {
    return this.records.engine;
  }

  group(): ListGroup {
    const { buffer, end: length } = this.subkey();
    return { hash: groupHashOf(family.subkey, buffer, 0, length), buffer, length };
  }

  keyAt(position: number): Scratch {
    return this.#positionKey(position);
  }

  /** Takes the element at an end away; `value`, when `peek` read it, stays valid. */
  pop(side: ListSide): void {
    this.#log = popLog[side];
    this.drop(side);
  }

  /** As `pop`, without saying so in the log. */
  drop(side: ListSide): void {
    this.eraseAt(side === 'left' ? this.first++ : --this.end);
    this.size--;
  }

  /** Gives the element at `index`, below the size, another value; one it has already is not written. Nothing to save. */
  set(index: number, value: Span): void {
    this.read(index);
    if (sameBytes(this.value, value)) return;
    this.#log = listLog('0', String(index));
    this.putAt(this.first + index, value);
  }

  putAt(position: number, value: Span): void {
    this.#positionKey(position);
    this.store(noSpan, value);
  }

  eraseAt(position: number): void {
    this.#positionKey(position);
    this.erase();
  }

  /**
   * Takes the elements at positions from `from` to before `to` away, many of them with one record. The first has a record of
   * its own all the same: who reads commands out of the log, as Kvrocks' migration does, passes over deleted ranges.
   */
  eraseBetween(from: number, to: number): void {
    const isMany = to - from > erasedOneByOneMax;
    const end = isMany ? from + 1 : to;
    for (let position = from; position < end; position++) this.eraseAt(position);
    if (!isMany) return;
    const begin = Buffer.from(this.#positionKey(end).view());
    this.records.engine.tick.deleteRange(family.subkey, begin, this.#positionKey(to).view());
  }

  /** Elements at positions from `from` to before `to`; to be closed by the caller. */
  elements(from: number, to: number, how: { reverse?: boolean; detached?: boolean } = {}): EntryIterator {
    return this.iterate({ from: positionSpan(from), to: positionSpan(to), ...how });
  }

  /** The position of an entry of `elements`. */
  positionOf({ key }: EntryIterator): number {
    return readPosition(key.buffer, key.start + this.prefixLength);
  }

  /** Writes the metadata record when the list has changed its length or its place. */
  override save(key: UserKey): void {
    if (this.size <= 0) {
      this.log();
      this.records.delete(key);
      return;
    }
    const isMoved = this.first !== this.#savedFirst || this.end !== this.#savedEnd;
    if (isMoved || this.tail.length === 0) {
      if (this.tail.length < tailBytes) this.tail = Buffer.allocUnsafe(tailBytes);
      writePosition(this.tail, 0, this.first);
      writePosition(this.tail, positionBytes, this.end);
    }
    super.save(key, isMoved);
    this.#savedFirst = this.first;
    this.#savedEnd = this.end;
  }

  #positionKey(position: number): Scratch {
    const sum = position + middleLow;
    const carry = Math.floor(sum / half);
    const key = this.subkey();
    key.u64Halves(middleHigh + carry, sum - carry * half);
    return key;
  }

  #fetchAt(position: number): void {
    this.#positionKey(position);
    if (!this.fetch()) throw corrupt(`of ${this.size} elements, the one at ${position - this.first} is missing`);
  }
}

/** What a LogData text with arguments says: `3 <command> <argument> …`, blanks between, nothing quoted (as Kvrocks). */
export function listLog(...parts: readonly (string | Span)[]): Buffer {
  const bytes: Uint8Array[] = [Buffer.from('3')];
  for (const part of parts) {
    bytes.push(
      Buffer.from(' '),
      typeof part === 'string' ? Buffer.from(part) : part.buffer.subarray(part.start, part.end),
    );
  }
  return Buffer.concat(bytes);
}

function readPosition(buffer: Buffer, at: number): number {
  const distance = (buffer.readUInt32BE(at) - middleHigh) * half + (buffer.readUInt32BE(at + 4) - middleLow);
  if (Math.abs(distance) > distanceMax) throw corrupt(`an element stands ${distance} places from the middle`);
  return distance;
}

function writePosition(into: Buffer, at: number, position: number): void {
  const sum = position + middleLow;
  const carry = Math.floor(sum / half);
  into.writeUInt32BE(middleHigh + carry, at);
  into.writeUInt32BE(sum - carry * half, at + 4);
}

function positionSpan(position: number): Span {
  const buffer = Buffer.allocUnsafe(positionBytes);
  writePosition(buffer, 0, position);
  return { buffer, start: 0, end: positionBytes };
}

function corrupt(what: string): OperationError {
  return new OperationError('ENGINE_RECORD_CORRUPT', `a list is damaged: ${what}`, { outcome: 'not-applied' });
}
