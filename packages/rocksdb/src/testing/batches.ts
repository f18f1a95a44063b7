/** Batches and blocks for tests: written plainly, not for speed. Grammar: docs/formats/write-batch.md. */
import type { Database, RangeOptions, WriteOptions } from '../types.ts';

export interface BatchBuilder {
  put(family: number, key: Uint8Array | string, value: Uint8Array | string): BatchBuilder;
  delete(family: number, key: Uint8Array | string): BatchBuilder;
  deleteRange(family: number, begin: Uint8Array | string, end: Uint8Array | string): BatchBuilder;
  logData(blob: Uint8Array | string): BatchBuilder;
  /** Any bytes, for batches that are to be refused; `counted` is added to the count of the header. */
  raw(bytes: Uint8Array, counted: number): BatchBuilder;
  /** The batch; the sequence is 0, RocksDB sets it. */
  bytes(): Buffer;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function text(value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varint(bytes.length), bytes]);
}

export function batchBuilder(): BatchBuilder {
  const parts: Uint8Array[] = [];
  let count = 0;
  const add = (counted: number, ...more: Uint8Array[]): BatchBuilder => {
    parts.push(...more);
    count += counted;
    return builder;
  };
  const builder: BatchBuilder = {
    put: (family, key, value) => add(1, Buffer.of(5), varint(family), text(key), text(value)),
    delete: (family, key) => add(1, Buffer.of(4), varint(family), text(key)),
    deleteRange: (family, begin, end) => add(1, Buffer.of(14), varint(family), text(begin), text(end)),
    logData: (blob) => add(0, Buffer.of(3), text(blob)),
    raw: (bytes, counted) => add(counted, bytes),
    bytes: () => {
      const header = Buffer.alloc(12);
      header.writeUInt32LE(count, 8);
      return Buffer.concat([header, ...parts]);
    },
  };
  return builder;
}

/** The entries of an EntryBlock's bytes. */
export function decodeBlock(bytes: Buffer): [Buffer, Buffer][] {
  const entries: [Buffer, Buffer][] = [];
  for (let at = 0; at < bytes.length;) {
    const keyEnd = at + 8 + bytes.readUInt32LE(at);
    const valueEnd = keyEnd + bytes.readUInt32LE(at + 4);
    entries.push([bytes.subarray(at + 8, keyEnd), bytes.subarray(keyEnd, valueEnd)]);
    at = valueEnd;
  }
  return entries;
}

/** The batches of a WalBlock's bytes. */
export function decodeBatches(bytes: Buffer): Buffer[] {
  const batches: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32LE(at);
    batches.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return batches;
}

/** Keys as `multiGet` takes them. */
export function packKeys(keys: readonly (readonly [family: number, key: string])[]): Buffer {
  return Buffer.concat(
    keys.flatMap(([family, key]) => {
      const bytes = Buffer.from(key);
      const head = Buffer.alloc(8);
      head.writeUInt32LE(family, 0);
      head.writeUInt32LE(bytes.length, 4);
      return [head, bytes];
    }),
  );
}

/** The answer of `multiGet`; undefined for an absent key. */
export function decodeValues(bytes: Buffer): (string | undefined)[] {
  const values: (string | undefined)[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readInt32LE(at);
    at += 4;
    values.push(length < 0 ? undefined : bytes.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return values;
}

/** One batch, unsynced. */
export function writeNow(database: Database, batch: Uint8Array, options: Partial<WriteOptions> = {}): number {
  return database.write(batch, Uint32Array.of(batch.length), 1, { sync: false, noSlowdown: false, ...options });
}

/** The `i`th batch of the crash test: two records that name it. */
export function recordOf(i: number): Buffer {
  return batchBuilder().put(0, `key${i}`, Buffer.alloc(300, i)).put(1, `key${i}`, String(i)).bytes();
}

/** @returns the keys of a range of family 0, in its order, with a space between. */
export function keysOf(database: Database, range: RangeOptions): string {
  const iterator = database.iterate(0, range);
  const keys: string[] = [];
  for (let done = false; !done;) {
    const block = iterator.next(2, 1 << 20);
    keys.push(...decodeBlock(block.bytes).map(([key]) => key.toString()));
    done = block.done;
  }
  iterator.close();
  return keys.join(' ');
}

/** Writes a record for each letter to family 0, its value the capital one. */
export function letters(database: Database, text: string): void {
  const batch = batchBuilder();
  for (const letter of text) batch.put(0, letter, letter.toUpperCase());
  writeNow(database, batch.bytes());
}
