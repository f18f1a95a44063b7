/**
 * Lookups that would wait for the disk, while a command runs that can be taken back and run again.
 *
 * Such a command must not stop the event loop for a disk read. So while it runs, records are looked for in memory only
 * (memtables and block cache), and what is not there is noted. What the command has done then counts for nothing: whoever
 * runs it takes it back, has the noted records read into the block cache by a worker (`Engine.fetch`), and runs it again.
 *
 * A command that only reads goes on as if the record were absent, so that one that reads many (MGET, HMGET, SINTER) tells
 * all that it misses at once. One that writes ends with the first: what it would write were made of what is not so.
 */

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
  /** Lookups since `begin` that found their record on disk only. */
  misses = 0;
  #noted: string[] = [];

  /** A command begins that can be taken back. */
  begin(mode: 'end' | 'feign'): void {
    this.mode = mode;
    this.misses = 0;
  }

  /** It has ended. @returns whether it missed something: then nothing of it counts. */
  end(): boolean {
    this.mode = 'read';
    return this.misses > 0;
  }

  /**
   * A lookup of the running command found its record on disk only. Returns when it is to be taken as absent.
   * @param key the record's key; copied.
   */
  missed(of: number, key: Buffer): void {
    this.misses++;
    this.note(of, key);
    if (this.mode === 'end' || this.misses >= missesMax) throw coldEnd;
  }

  /** Whoever reads many records at once (iterators) ends a command whose effects count for nothing any more. */
  endIfMissed(): void {
    if (this.misses > 0 && this.mode !== 'read') throw coldEnd;
  }

  /** A record that is to be fetched. */
  note(of: number, key: Buffer): void {
    this.#noted.push(String.fromCharCode(of) + key.toString('latin1'));
  }

  /** What was noted: one character for the family, then the key's, one per byte. It is forgotten here. */
  take(): string[] {
    const noted = this.#noted;
    this.#noted = [];
    return noted;
  }
}

/** As lookups of many keys are packed for the database: u32 family, u32 length, key, each. */
export function packNoted(noted: readonly string[]): Buffer {
  let bytes = 0;
  for (const record of noted) bytes += 7 + record.length;
  const packed = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const record of noted) {
    packed.writeUInt32LE(record.charCodeAt(0), at);
    packed.writeUInt32LE(record.length - 1, at + 4);
    packed.write(record.slice(1), at + 8, 'latin1');
    at += 7 + record.length;
  }
  return packed;
}
