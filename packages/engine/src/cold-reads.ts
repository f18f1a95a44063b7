/**
 * Lookups that would wait for the disk, while a command runs that can be taken back and run again.
 *
 * Such a command must not stop the event loop for a disk read. So while it runs, records are looked for in memory only
 * (memtables, block cache, and for some lookups what the kernel has of the files), and what is not there is noted. What the command has done then counts for nothing: whoever
 * runs it takes it back, has the noted records read by a worker (`Engine.fetch`), and runs it again while they are here.
 *
 * A command that only reads goes on as if the record were absent, so that one that reads many (MGET, HMGET, SINTER) tells
 * all that it misses at once. One that writes ends with the first: what it would write were made of what is not so.
 *
 * What a worker has read is given to lookups from here, for a moment, rather than through the block cache: that may be too
 * small to keep a block until it is asked for. A record is what the database has as long as no tick that closed since it
 * was noted has written it: when it was noted neither the open tick nor one under commit had it, so ticks that close, and
 * batches of a master, are walked for records that are awaited or here, and make them stale.
 */
import { BatchReader } from './batch-reader.ts';
import { Scratch, Window, type Span } from './bytes.ts';
import { ColdRecords, type ColdRecord } from './cold-record.ts';
import { hashOfKey } from './key-hash.ts';
import type { Overlay } from './overlay.ts';

/** What a lookup does that finds the record on disk only: reads it, ends the command, or takes it as absent. */
export type ColdMode = 'read' | 'end' | 'feign';

/** A command that misses so many is ended; it goes on from there when it has these. */
const missesMax = 512;

/** Ends a command whose effects are taken back: caught by whoever runs it, and never shown. */
class ColdEnd extends Error {}

/** One for all: what is thrown says nothing, and a stack for each would cost more than the lookup. */
const coldEnd = stackless(() => new ColdEnd('a record is on disk only'));

function stackless(make: () => ColdEnd): ColdEnd {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = make();
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

export class ColdReads {
  /** False: whoever could run commands again lets lookups wait for the disk. */
  isEnabled = true;
  /** For the lookups that follow. */
  mode: ColdMode = 'read';
  /** Lookups of one command that may read files themselves, when nothing follows it: some microseconds each. */
  inPlaceMax = 64;
  /** So many lookups since `begin` may still read files themselves, as far as the kernel has them in memory. */
  inPlace = 0;
  /** Lookups since `begin` that found their record on disk only. */
  misses = 0;
  /** Records that have been read and not been forgotten. */
  arrived = 0;
  #noted: ColdRecord[] = [];
  readonly #records = new ColdRecords();
  readonly #window = new Window();
  readonly #key = new Scratch();

  /** A command begins that can be taken back. @param readsInPlace it may read files as far as that does not wait. */
  begin(mode: 'end' | 'feign', readsInPlace = false): void {
    this.mode = mode;
    this.misses = 0;
    this.inPlace = readsInPlace ? this.inPlaceMax : 0;
  }

  /** It has ended. @returns whether it missed something: then nothing of it counts. */
  end(): boolean {
    this.mode = 'read';
    return this.misses > 0;
  }

  /**
   * A lookup of the running command found its record on disk only. Returns when it is to be taken as absent.
   * @param key the record's key; copied.
   * @param hash of the key, as `hashOfKey` has it.
   */
  missed(of: number, key: Span, hash: number): void {
    this.misses++;
    this.note(of, key, hash);
    if (this.mode === 'end' || this.misses >= missesMax) throw coldEnd;
  }

  /** Whoever reads many records at once (iterators) ends a command whose effects count for nothing any more. */
  endIfMissed(): void {
    if (this.misses > 0 && this.mode !== 'read') throw coldEnd;
  }

  /** A record that is to be fetched: neither the open tick nor one under commit has it. */
  note(of: number, key: Span, hash: number): void {
    let record = this.#records.find(of, key, hash);
    if (record?.state !== 'awaited') record = this.#records.add(of, key, hash);
    this.#noted.push(record);
  }

  /** What was noted since the last `take`; one that is awaited already is the same as before. */
  take(): ColdRecord[] {
    const noted = this.#noted;
    this.#noted = [];
    return noted;
  }

  /** A worker has read them. @param values as `Database.fetchAsync` answers. */
  arrive(records: readonly ColdRecord[], values: Buffer): void {
    this.arrived += records.length;
    let at = 0;
    for (const record of records) {
      const length = values.readInt32LE(at);
      const start = at + 4;
      at = start + Math.max(0, length);
      if (record.state !== 'awaited') continue;
      record.state = length >= 0 ? 'found' : length === -1 ? 'absent' : 'unread';
      record.buffer = values;
      record.start = start;
      record.end = at;
    }
  }

  /** Nobody waits for them any more. @param haveArrived they were read. */
  forget(records: readonly ColdRecord[], haveArrived: boolean): void {
    if (haveArrived) this.arrived -= records.length;
    for (const record of records) this.#records.remove(record);
  }

  /** Looks among what workers have read. @returns 1 and the value in `into`; 0: the database has none; -1: not known. */
  find(of: number, key: Span, hash: number, into: Window): 1 | 0 | -1 {
    const record = this.#records.find(of, key, hash);
    if (record?.state === 'absent') return 0;
    if (record?.state !== 'found') return -1;
    into.set(record.buffer, record.start, record.end);
    return 1;
  }

  /** Everything that a tick wrote, which is about to be committed. @param buffer where its entries point. */
  tickClosed(overlay: Overlay, buffer: Buffer): void {
    if (this.#records.isEmpty) return;
    if (overlay.rangeCount > 0) {
      this.spoil();
      return;
    }
    const key = this.#window;
    for (let index = 0; index < overlay.count; index++) {
      key.set(buffer, overlay.keyStart(index), overlay.keyEnd(index));
      this.#written(overlay.familyOf(index), key, overlay.hashAt(index));
    }
    key.clear();
  }

  /** What a master's batches wrote. */
  batchesApplied(packed: Buffer, lengths: Uint32Array, count: number): void {
    if (this.#records.isEmpty) return;
    let start = 0;
    try {
      for (let i = 0; i < count; i++) {
        const end = start + (lengths[i] as number);
        this.#batchApplied(new BatchReader(packed, start, end));
        start = end;
      }
    } catch {
      // Damaged ones are reported where they are applied.
      this.spoil();
    }
  }

  #batchApplied(reader: BatchReader): void {
    while (reader.next()) {
      const { kind, family: of, key } = reader;
      if (kind === 'log-data' || kind === 'other') continue;
      if (kind === 'delete-range') {
        this.spoil();
        continue;
      }
      this.#key.reset();
      this.#key.bytes(key.buffer, key.start, key.end);
      this.#written(of, key, hashOfKey(of, this.#key));
    }
  }

  #written(of: number, key: Span, hash: number): void {
    const record = this.#records.find(of, key, hash);
    if (record !== undefined) record.state = 'stale';
  }

  /** Nothing that is awaited or here is known to be what the database has. */
  spoil(): void {
    for (const record of this.#records) record.state = 'stale';
  }
}
