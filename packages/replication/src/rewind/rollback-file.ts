/**
 * Rollback files: the batches that a node gave up, as they stood in its log, each with a checksum, behind a header that
 * says what they are and before an end that says that nothing is missing. docs/formats/rollback-file.md.
 *
 * A file is written beside its name, fsynced and renamed: under its name it is whole. The reader believes nothing of it
 * all the same, since an operator may have copied it.
 */
import { crc32 } from 'node:zlib';
import { assert } from '@holdfast/base';
import type { FileReader, FileWriter } from '../files.ts';
import { batchBytesMax } from '../limits.ts';
import { readBatchHeader } from '../write-batch.ts';
import { damaged, frameChecksum, frameHead, frameHeadBytes } from './checked-frame.ts';
import { formatGivenUp, parseGivenUp, type GivenUp } from './rollback-header.ts';

const magic = Buffer.from('holdfast-rollback 1\n', 'latin1');
const kind = { header: 0x48, batch: 0x42, end: 0x45 } as const; // H, B, E
const endBytes = 28;
/** Small frames are gathered to this before they are written. */
const writtenBytesMin = 256 * 1024;

/** What the end of a file says of what stands before it. */
export interface RollbackTotals {
  readonly batches: number;
  /** Counted records: sequences taken. */
  readonly records: number;
  /** Of all batches together. */
  readonly batchBytes: number;
  /** CRC-32 of all batches' bytes one after the other: tells two files apart without comparing them. */
  readonly checksum: number;
}

/** Adds batches up as they pass. */
export class RollbackTally implements RollbackTotals {
  batches = 0;
  records = 0;
  batchBytes = 0;
  checksum = 0;
  /** Sequence that the next batch must begin with. */
  nextSequence: number;

  constructor(firstSequence: number) {
    this.nextSequence = firstSequence;
  }

  /** @returns whether the batch follows the one before; only then it is counted. @throws ProtocolError for no batch. */
  add(batch: Buffer): boolean {
    const { sequence, count } = readBatchHeader(batch);
    if (sequence !== this.nextSequence) return false;
    this.batches++;
    this.records += count;
    this.batchBytes += batch.length;
    this.checksum = crc32(batch, this.checksum);
    this.nextSequence += count;
    return true;
  }
}

/** Writes one file. Every call may throw what the file system says; the file is then worth nothing. */
export class RollbackFileWriter {
  readonly #to: FileWriter;
  readonly #tally: RollbackTally;
  readonly #last: number;
  #held: Buffer[] = [];
  #heldBytes = 0;

  private constructor(to: FileWriter, part: GivenUp) {
    this.#to = to;
    this.#tally = new RollbackTally(part.first);
    this.#last = part.last;
  }

  static async begin(to: FileWriter, part: GivenUp): Promise<RollbackFileWriter> {
    const writer = new RollbackFileWriter(to, part);
    writer.#hold(magic);
    await writer.#frame(kind.header, Buffer.from(formatGivenUp(part)));
    return writer;
  }

  async batch(bytes: Buffer): Promise<void> {
    assert(this.#tally.add(bytes), `a batch that does not begin at ${this.#tally.nextSequence}`);
    await this.#frame(kind.batch, bytes);
  }

  /** Writes the end and makes the file durable. */
  async finish(): Promise<RollbackTotals> {
    const { batches, records, batchBytes, checksum, nextSequence } = this.#tally;
    assert(nextSequence === this.#last + 1, `the batches end at ${nextSequence - 1}, not at ${this.#last}`);
    const end = Buffer.alloc(endBytes);
    end.writeBigUInt64LE(BigInt(batches), 0);
    end.writeBigUInt64LE(BigInt(records), 8);
    end.writeBigUInt64LE(BigInt(batchBytes), 16);
    end.writeUInt32LE(checksum, 24);
    await this.#frame(kind.end, end);
    await this.#flush();
    await this.#to.finish();
    return { batches, records, batchBytes, checksum };
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  async #frame(of: number, payload: Buffer): Promise<void> {
    this.#hold(frameHead(of, payload));
    this.#hold(payload);
    if (this.#heldBytes >= writtenBytesMin) await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    await this.#to.write(bytes);
  }
}

interface Frame {
  readonly kind: number;
  readonly payload: Buffer;
}

/** Reads one file from its beginning. All errors are OperationError ROLLBACK_FILE_DAMAGED or the file system's. */
export class RollbackFileReader {
  readonly path: string;
  readonly part: GivenUp;
  readonly #from: FileReader;
  #left: number;

  private constructor(path: string, from: FileReader, left: number, part: GivenUp) {
    this.path = path;
    this.part = part;
    this.#from = from;
    this.#left = left;
  }

  static async open(path: string, from: FileReader): Promise<RollbackFileReader> {
    const left = from.sizeBytes;
    if (left < magic.length || !(await readExactly(path, from, magic.length)).equals(magic))
      throw damaged(path, 'it does not begin as a rollback file of version 1');
    const reader = new RollbackFileReader(path, from, left - magic.length, noPart);
    const frame = await reader.#frame();
    const part = frame.kind === kind.header ? parseGivenUp(frame.payload.toString()) : undefined;
    if (part === undefined) throw damaged(path, 'it has no header');
    return new RollbackFileReader(path, from, reader.#left, part);
  }

  /**
   * Hands every batch to `onBatch`, in order; the bytes are the receiver's.
   * @returns what the end says, which is what was read.
   */
  async readAll(onBatch: (batch: Buffer) => void | Promise<void>): Promise<RollbackTotals> {
    const tally = new RollbackTally(this.part.first);
    for (;;) {
      const frame = await this.#frame();
      if (frame.kind === kind.end) return this.#judgeEnd(frame.payload, tally);
      if (frame.kind !== kind.batch) throw damaged(this.path, `a frame of unknown kind ${frame.kind}`);
      if (!tally.add(frame.payload))
        throw damaged(this.path, `a batch does not begin at ${tally.nextSequence} where it must`);
      await onBatch(frame.payload);
    }
  }

  #judgeEnd(end: Buffer, tally: RollbackTally): RollbackTotals {
    const { batches, records, batchBytes, checksum } = tally;
    const isRight =
      end.length === endBytes &&
      end.readBigUInt64LE(0) === BigInt(batches) &&
      end.readBigUInt64LE(8) === BigInt(records) &&
      end.readBigUInt64LE(16) === BigInt(batchBytes) &&
      end.readUInt32LE(24) === checksum &&
      tally.nextSequence === this.part.last + 1;
    if (!isRight) throw damaged(this.path, 'its end does not tell what stands before it');
    if (this.#left > 0) throw damaged(this.path, `${this.#left} bytes follow its end`);
    return { batches, records, batchBytes, checksum };
  }

  /** Memory grows with the file's real size, never with an announced one. */
  async #frame(): Promise<Frame> {
    const { path } = this;
    if (this.#left < frameHeadBytes) throw damaged(path, 'it is cut off');
    const head = await readExactly(path, this.#from, frameHeadBytes);
    const length = head.readUInt32LE(1);
    if (length > batchBytesMax || length > this.#left - frameHeadBytes) throw damaged(path, 'it is cut off');
    const payload = await readExactly(path, this.#from, length);
    this.#left -= frameHeadBytes + length;
    if (frameChecksum(head, payload) !== head.readUInt32LE(5)) throw damaged(path, 'a checksum is wrong');
    return { kind: head[0] as number, payload };
  }
}

const noPart: GivenUp = {
  nodeId: '',
  logId: '',
  first: 1,
  last: 0,
  epochs: [],
  mode: 'sync',
  slotPrefixed: false,
  atMs: 0,
};

async function readExactly(path: string, from: FileReader, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length;) {
    const read = await from.read(bytes.subarray(at));
    if (read === 0) throw damaged(path, 'it is cut off');
    at += read;
  }
  return bytes;
}
