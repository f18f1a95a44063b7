/**
 * The stream from master to replica: bulk strings, each a raw batch or a word (`ping`, `_getack`). Kvrocks
 * `src/cluster/replication.cc` (FeedSlaveThread and ReplicationThread::incrementBatchLoopCB).
 *
 * The decoder gives batches out as views on what arrived; only a batch that is cut by chunks is copied, once. Memory
 * grows by received bytes, never by announced ones.
 */
import { ProtocolError } from '@holdfast/base';
import { batchBytesMax } from './limits.ts';

const lineEnd = 0x0a0d; // little-endian: \r then \n

/** A heartbeat: says nothing but that the master lives. */
export const pingFrame: Buffer = Buffer.from('$4\r\nping\r\n');
/**
 * A master's question whether this link is still of its epoch; the number comes back with the next ack. Sent only to
 * followers that attached by CLUSTERX ATTACH. No batch begins with these letters: its sequence would be above 2^53.
 */
export function probeFrame(probe: number): Buffer {
  const payload = `${probeWord}${probe}`;
  return Buffer.from(`$${payload.length}\r\n${payload}\r\n`);
}

const probeWord = '_probe ';
/** A whole number of 16 digits after the word. */
const probeBytesMax = probeWord.length + 16;

/** Asks for an ack at once (Kvrocks 2.14 and newer; older replicas take it for a batch and fail). */
export const getAckFrame: Buffer = Buffer.from('$7\r\n_getack\r\n');

/**
 * `$<n>\r\n<batch>\r\n` for each of `count` batches that stand one after the other in `packed`.
 * @param room where to, if it is large enough; otherwise the frames have a buffer of their own.
 */
export function frameBatches(packed: Buffer, lengths: Uint32Array, count: number, room?: Buffer): Buffer {
  let bytes = 0;
  for (let i = 0; i < count; i++) bytes += frameBytes(lengths[i] as number);
  const framed = room !== undefined && room.length >= bytes ? room.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
  let from = 0;
  let to = 0;
  for (let i = 0; i < count; i++) {
    const length = lengths[i] as number;
    to = putFrame(framed, to, packed, from, length);
    from += length;
  }
  return framed;
}

/** As `frameBatches` for a block of the WAL: u32 length (little-endian) and bytes of each batch. */
export function frameWalBlock(bytes: Buffer, count: number): Buffer {
  let total = 0;
  let from = 0;
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32LE(from);
    total += frameBytes(length);
    from += 4 + length;
  }
  const framed = Buffer.allocUnsafeSlow(total);
  from = 0;
  let to = 0;
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32LE(from);
    to = putFrame(framed, to, bytes, from + 4, length);
    from += 4 + length;
  }
  return framed;
}

function frameBytes(length: number): number {
  return 5 + String(length).length + length;
}

function putFrame(target: Buffer, at: number, source: Buffer, start: number, length: number): number {
  target[at++] = 36; // $
  at += target.latin1Write(String(length), at);
  at = target.writeUInt16LE(lineEnd, at);
  source.copy(target, at, start, start + length);
  return target.writeUInt16LE(lineEnd, at + length);
}

/** One bulk of the stream. */
export type StreamItem =
  | { readonly kind: 'batch'; readonly bytes: Buffer }
  | { readonly kind: 'ping' }
  | { readonly kind: 'getack' }
  | { readonly kind: 'probe'; readonly probe: number };

/** Digits of a length, its prefix and CRLF: more is no length. */
const lengthLineBytesMax = 24;

/** Reads the stream on the replica's side. */
export class StreamDecoder {
  #maxBatchBytes: number;
  /** Bytes of a length line that is not complete. */
  #line: number[] = [];
  /** Announced bytes of the bulk being read; -1 while a length line is read. */
  #wanted = -1;
  #parts: Buffer[] = [];
  #partBytes = 0;
  /** Bytes of the CRLF after a bulk that came already. */
  #ended = 0;
  #payload: Buffer | undefined;

  constructor(maxBatchBytes: number = batchBytesMax) {
    this.#maxBatchBytes = maxBatchBytes;
  }

  /** Bytes held of a bulk that is not complete. */
  get bufferedBytes(): number {
    return this.#partBytes + this.#line.length;
  }

  /**
   * Takes a chunk and appends the bulks it completes to `into`.
   * @throws ProtocolError for a length that is none, is 0 or above the limit, or a bulk without CRLF.
   */
  push(chunk: Buffer, into: StreamItem[]): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#wanted < 0) at = this.#readLine(chunk, at);
      else if (this.#payload === undefined) at = this.#readPayload(chunk, at);
      else at = this.#readEnd(chunk, at, into);
    }
  }

  #readLine(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      const byte = chunk[at++] as number;
      this.#line.push(byte);
      if (byte === 10) {
        this.#wanted = this.#length();
        this.#line.length = 0;
        return at;
      }
      if (this.#line.length > lengthLineBytesMax) throw new ProtocolError('the length of a batch is too long a line');
    }
    return at;
  }

  /** As Kvrocks: any first character, then decimal digits up to CRLF. */
  #length(): number {
    const text = String.fromCharCode(...this.#line);
    const digits = text.slice(1, -2);
    const length = /^[0-9]+$/.test(digits) && text.endsWith('\r\n') ? Number(digits) : 0;
    if (length <= 0 || length > this.#maxBatchBytes)
      throw new ProtocolError(`not the length of a batch: ${JSON.stringify(text)}`);
    return length;
  }

  #readPayload(chunk: Buffer, from: number): number {
    const to = Math.min(chunk.length, from + this.#wanted - this.#partBytes);
    const part = chunk.subarray(from, to);
    if (part.length === this.#wanted) this.#payload = part;
    else {
      this.#parts.push(part);
      this.#partBytes += part.length;
      if (this.#partBytes === this.#wanted) {
        this.#payload = Buffer.concat(this.#parts, this.#wanted);
        this.#parts = [];
        this.#partBytes = 0;
      }
    }
    return to;
  }

  #readEnd(chunk: Buffer, at: number, into: StreamItem[]): number {
    const expected = this.#ended === 0 ? 13 : 10;
    if (chunk[at] !== expected) throw new ProtocolError('a batch in the stream does not end in CRLF');
    this.#ended++;
    if (this.#ended < 2) return at + 1;
    into.push(itemOf(this.#payload as Buffer));
    this.#ended = 0;
    this.#payload = undefined;
    this.#wanted = -1;
    return at + 1;
  }
}

function itemOf(bytes: Buffer): StreamItem {
  if (bytes.length === 4 && bytes.latin1Slice(0, 4) === 'ping') return { kind: 'ping' };
  if (bytes.length === 7 && bytes.latin1Slice(0, 7) === '_getack') return { kind: 'getack' };
  const hasProbeSize = bytes.length > probeWord.length && bytes.length <= probeBytesMax;
  if (hasProbeSize && bytes.latin1Slice(0, probeWord.length) === probeWord) {
    const probe = Number(bytes.latin1Slice(probeWord.length, bytes.length));
    if (!Number.isSafeInteger(probe))
      throw new ProtocolError(`not a probe: ${JSON.stringify(bytes.toString('latin1'))}`);
    return { kind: 'probe', probe };
  }
  return { kind: 'batch', bytes };
}
