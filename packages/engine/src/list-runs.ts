/**
 * Runs of list elements that were read together, as the bulk strings that they are sent as. LRANGE of the ends of a list, which
 * clients ask for again and again, is then one copy; and a list that is popped element by element is read 64 at a time.
 *
 * Part of the row cache and coherent as it is: shows the state after the last closed tick, and whoever reads looks at the open
 * one first. Elements have positions, and a list reads none outside of its bounds; so what was deleted is asked for again only
 * after it was put again. Puts within a run drop it, deletes change nothing.
 *
 *   run   what all keys of the list begin with | where elements begin, and the last one ends (u32 each) | elements
 *
 * Runs stand one after the other in one piece of memory that is filled round and round: what is reached again is forgotten.
 */
import { assert } from '@holdfast/base';
import { copyBytes, type Span, type Window } from './bytes.ts';
import { family } from './families.ts';
import { groupHashOf, type Overlay } from './overlay.ts';

/** Elements of one run, and bytes that they take, framed. */
export const runElementsMax = 1024;
const runBytesMax = 64 << 10;
/** With less memory there are no runs. */
const memoryBytesMin = 256 << 10;
/** Runs of one list: clients may ask for any part of it, and all of them are looked through. */
const runsOfListMax = 8;
/** Lists that are remembered for how they are popped, and for having had large elements. */
const remembered = 256;
/** Loads for pops are left alone for so many after one that failed. */
const pauseAfterFailure = 64;

const positionBytes = 8;
const middleHigh = 0x7fffffff;
const middleLow = 0xffffffff;
const half = 0x100000000;
/** `$`, and line ends before and behind the bytes. */
const frameBytes = 5;

export interface Run {
  /** What all keys of the list begin with, hashed. */
  readonly hash: number;
  /** Positions from `from` to before `to`, as distances from the middle. */
  readonly from: number;
  to: number;
  /** Where it stands: the beginning of keys, and its offsets. */
  readonly start: number;
  readonly table: number;
  end: number;
  readonly groupBytes: number;
  /** The next one by age. */
  younger: Run | undefined;
  /** Another one with the same hash, older. */
  other: Run | undefined;
  isForgotten: boolean;
}

/** A list, by what all its keys begin with. */
export interface ListGroup {
  readonly hash: number;
  readonly buffer: Buffer;
  /** Bytes of it, from the beginning of the buffer. */
  readonly length: number;
}

/** The hash of the list that an element's key is of, were it one. */
function listHashOf(buffer: Buffer, keyStart: number, keyEnd: number): number {
  return groupHashOf(family.subkey, buffer, keyStart, Math.max(keyStart, keyEnd - positionBytes));
}

export class ListRuns {
  #bytesMax = 0;
  #memory: Buffer | undefined;
  #words: Uint32Array = new Uint32Array();
  #at = 0;
  #reached = 0;
  #oldest: Run | undefined;
  #youngest: Run | undefined;
  /** The youngest run of each hash. */
  readonly #runs = new Map<number, Run>();
  /** Where the run being read stands. */
  #open: Run | undefined;
  /** By hash: the list popped last, and the position. */
  readonly #pops = new Int32Array(remembered * 2);
  /** By hash: a list of which so many elements were too many for a run. */
  readonly #large = new Int32Array(remembered * 2);
  #pause = 0;

  constructor(bytes: number) {
    this.resize(bytes);
  }

  /** Forgets everything, and takes so many bytes from now on; @returns how many: 0 when they are too few. */
  resize(bytes: number): number {
    this.clear();
    this.#bytesMax = bytes < memoryBytesMin ? 0 : bytes & ~3;
    return this.#bytesMax;
  }

  /** Bytes in use. */
  get bytes(): number {
    return this.#reached;
  }

  /** Bytes that were asked of the system and never used. */
  get spareBytes(): number {
    return this.#memory === undefined ? 0 : this.#memory.length - this.#reached;
  }

  get isOn(): boolean {
    return this.#bytesMax > 0;
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#memory = undefined;
    this.#words = new Uint32Array();
    this.#reached = 0;
    this.forgetAll();
  }

  /** Forgets everything and keeps the memory. */
  forgetAll(): void {
    this.#at = this.#pause = 0;
    this.#oldest = this.#youngest = this.#open = undefined;
    this.#runs.clear();
    this.#pops.fill(0);
    this.#large.fill(0);
  }

  /** The run that has all positions from `from` to before `to`. */
  find({ hash, buffer, length }: ListGroup, from: number, to: number): Run | undefined {
    let run = this.#runs.get(hash);
    for (; run !== undefined; run = run.other)
      if (run.from <= from && to <= run.to && this.#isOf(run, buffer, length)) return run;
    return undefined;
  }

  /** The elements from `from` to before `to` of a run that has them, as bulk strings; valid until the next run is read. */
  frames(run: Run, from: number, to: number, into: Window): void {
    into.set(this.#memory as Buffer, this.#offset(run, from), this.#offset(run, to));
  }

  /** The element at a position of a run; valid as `frames`. */
  element(run: Run, position: number, into: Window): void {
    const start = this.#offset(run, position);
    const end = this.#offset(run, position + 1);
    // What the frame has besides bytes and digits is known, and so how many digits say the rest.
    let length = end - start - frameBytes - 1;
    let digits = 1;
    for (let limit = 10; length >= limit; limit *= 10) {
      digits++;
      length--;
    }
    into.set(this.#memory as Buffer, start + 3 + digits, end - 2);
  }

  /** Whether so many elements may be worth a try. */
  mayFit(hash: number, count: number): boolean {
    const slot = (hash & (remembered - 1)) * 2;
    return !(this.#large[slot] === hash && count >= (this.#large[slot + 1] as number));
  }

  /** Notes that they were too many, or not all there. */
  didNotFit(hash: number, count: number): void {
    const slot = (hash & (remembered - 1)) * 2;
    this.#large[slot] = hash;
    this.#large[slot + 1] = count;
  }

  /** Notes that a position of a list is popped. @returns whether its neighbour was the last one, and more may be read. */
  popsInOrder(hash: number, position: number, next: 1 | -1): boolean {
    const slot = (hash & (remembered - 1)) * 2;
    const follows = this.#pops[slot] === hash && this.#pops[slot + 1] === ((position - next) | 0);
    this.#pops[slot] = hash;
    this.#pops[slot + 1] = position | 0;
    if (this.#pause > 0) {
      this.#pause--;
      return false;
    }
    return follows;
  }

  /** Reading ahead of pops was of no use: it is not tried again for a while. */
  pausePops(): void {
    this.#pause = pauseAfterFailure;
  }

  /**
   * Begins a run of up to `count` elements, `runElementsMax` at most.
   * @returns where `Database.consecutiveFrames` is to write, to be followed by `keep`; undefined when there is no room.
   */
  begin({ hash, buffer, length }: ListGroup, from: number, count: number): Buffer | undefined {
    const memory = (this.#memory ??= this.#take());
    const groupWords = (length + 3) >> 2;
    const room = groupWords * 4 + (count + 1) * 4 + runBytesMax;
    if (memory === undefined || room > memory.length / 2) return undefined;
    this.#makeRoom(memory.length, room);
    const start = this.#at;
    const table = start + groupWords * 4;
    copyBytes(buffer, 0, length, memory, start);
    this.#open = {
      hash,
      from,
      to: from,
      start,
      table,
      end: start + room,
      groupBytes: length,
      younger: undefined,
      other: undefined,
      isForgotten: false,
    };
    return memory.subarray(table, start + room);
  }

  /** Keeps what was written to where `begin` said: so many elements, not none. */
  keep(found: number): Run {
    const run = this.#open;
    assert(run !== undefined && found > 0, 'a run was begun and has elements');
    this.#open = undefined;
    run.to = run.from + found;
    run.end = (this.#offset(run, run.to) + 3) & ~3;
    this.#at = run.end;
    this.#reached = Math.max(this.#reached, run.end);
    if (this.#youngest === undefined) this.#oldest = run;
    else this.#youngest.younger = run;
    this.#youngest = run;
    run.other = this.#runs.get(run.hash);
    this.#runs.set(run.hash, run);
    this.#endChain(run);
    return run;
  }

  /** Everything that a tick wrote, which is about to be committed. @param buffer where its entries point. */
  tickClosed(overlay: Overlay, buffer: Buffer): void {
    if (this.#runs.size === 0) return;
    if (overlay.rangeCount > 0) {
      this.forgetAll();
      return;
    }
    const { count } = overlay;
    for (let index = 0; index < count; index++) {
      if (overlay.familyOf(index) !== family.subkey || overlay.valueStart(index) < 0) continue;
      const keyStart = overlay.keyStart(index);
      const keyEnd = overlay.keyEnd(index);
      // What APPLYBATCH wrote is of no collection.
      const hash = overlay.groupHashAt(index) || listHashOf(buffer, keyStart, keyEnd);
      const run = this.#runs.get(hash);
      if (run !== undefined) this.#forgetAt(run, buffer, keyEnd);
    }
  }

  /** A master's batch has put a record of a sub key. */
  put({ buffer, start, end }: Span): void {
    if (this.#runs.size === 0) return;
    const run = this.#runs.get(listHashOf(buffer, start, end));
    if (run !== undefined) this.#forgetAt(run, buffer, end);
  }

  #take(): Buffer | undefined {
    if (this.#bytesMax === 0) return undefined;
    const memory = Buffer.allocUnsafeSlow(this.#bytesMax);
    this.#words = new Uint32Array(memory.buffer, 0, memory.length >> 2);
    return memory;
  }

  #offset(run: Run, position: number): number {
    return run.table + (this.#words[(run.table >> 2) + position - run.from] as number);
  }

  #isOf(run: Run, buffer: Buffer, length: number): boolean {
    if (run.groupBytes !== length) return false;
    const memory = this.#memory as Buffer;
    const { start } = run;
    for (let i = length - 1; i >= 0; i--) if (memory[start + i] !== buffer[i]) return false;
    return true;
  }

  /** Forgets the runs from `run` on that hold the position at the end of a key. */
  #forgetAt(run: Run, buffer: Buffer, keyEnd: number): void {
    if (keyEnd < positionBytes) return;
    const high = buffer.readUInt32BE(keyEnd - positionBytes);
    const position = (high - middleHigh) * half + (buffer.readUInt32BE(keyEnd - 4) - middleLow);
    for (let at: Run | undefined = run; at !== undefined; at = at.other)
      if (at.from <= position && position < at.to) this.#forget(at);
  }

  #forget(run: Run): void {
    if (run.isForgotten) return;
    run.isForgotten = true;
    const first = this.#runs.get(run.hash);
    if (first !== run) {
      let before = first;
      while (before !== undefined && before.other !== run) before = before.other;
      assert(before !== undefined, 'a run that is kept stands in the chain of its hash');
      before.other = run.other;
    } else if (run.other === undefined) this.#runs.delete(run.hash);
    else this.#runs.set(run.hash, run.other);
  }

  #endChain(youngest: Run): void {
    let last: Run | undefined = youngest;
    for (let i = 1; i < runsOfListMax && last !== undefined; i++) last = last.other;
    if (last?.other !== undefined) this.#forget(last.other);
  }

  /** Forgets what stands in the way of so many bytes, and moves to where they begin. */
  #makeRoom(bytes: number, room: number): void {
    if (this.#at + room > bytes) {
      const from = this.#at;
      while (this.#oldest !== undefined && this.#oldest.start >= from) this.#evict(this.#oldest);
      this.#at = 0;
    }
    const end = this.#at + room;
    while (this.#oldest !== undefined && this.#oldest.start >= this.#at && this.#oldest.start < end)
      this.#evict(this.#oldest);
  }

  #evict(oldest: Run): void {
    this.#forget(oldest);
    this.#oldest = oldest.younger;
    if (this.#oldest === undefined) this.#youngest = undefined;
  }
}
