/**
 * A replicated log in memory, kept in MemoryFiles as a database directory is: one file of batches and a CURRENT. It
 * numbers and checks as RocksDB does, so that a batch that does not follow is noticed at once.
 */
import { BatchReader, type Commit } from '@holdfast/engine';
import type { WalBlock, WalTail } from '@holdfast/rocksdb';
import type { LogDatabase, ReplicatedLog } from '../replicated-log.ts';
import { readBatchHeader } from '../write-batch.ts';
import { batch, type Part } from './batches.ts';
import type { MemoryFiles } from './memory-files.ts';

const logFile = '000001.log';

export class MemoryLog implements ReplicatedLog {
  batches: Buffer[] = [];
  readonly files: MemoryFiles;
  readonly path: string;
  isOpen = true;
  /** What is older is no longer in the WAL. */
  walFrom = 1;
  /** The next applied batch fails, as on a full disk. */
  failNext = false;
  readonly database: LogDatabase;

  constructor(files: MemoryFiles, path = '/data/db') {
    this.files = files;
    this.path = path;
    files.content.set(`${path}/CURRENT`, Buffer.from('MANIFEST-000001\n'));
    this.#save(path);
    this.database = {
      columnFamilies: ['default', 'metadata', 'zset_score', 'pubsub', 'propagate', 'stream', 'search'],
      walTail: (fromSequence): WalTail => this.#walTail(fromSequence),
      checkpoint: (to): Promise<number> => {
        if (this.files.content.has(`${to}/CURRENT`)) return Promise.reject(new Error(`${to} exists`));
        this.files.content.set(`${to}/CURRENT`, Buffer.from('MANIFEST-000001\n'));
        this.#save(to);
        return Promise.resolve(this.latestSequence());
      },
      get: (family, key, into): number => {
        const value = this.value(family, Buffer.from(key).toString('latin1'));
        if (value === undefined) return -1;
        const bytes = Buffer.from(value, 'latin1');
        if (bytes.length <= into.length) bytes.copy(into);
        return bytes.length;
      },
    };
  }

  #save(directory: string): void {
    this.files.content.set(`${directory}/${logFile}`, pack(this.batches));
  }

  latestSequence(): number {
    const last = this.batches.at(-1);
    if (last === undefined) return 0;
    const { sequence, count } = readBatchHeader(last);
    return sequence + count - 1;
  }

  /** The master's side: appends one batch. */
  write(...parts: readonly Part[]): Commit {
    const firstSequence = this.latestSequence() + 1;
    const bytes = batch(firstSequence, ...parts);
    this.batches.push(bytes);
    return {
      firstSequence,
      lastSequence: this.latestSequence(),
      packed: bytes,
      lengths: Uint32Array.of(bytes.length),
      count: 1,
    };
  }

  applyReplicated(packed: Buffer, lengths: Uint32Array, count: number): number {
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (this.failNext) {
        this.failNext = false;
        throw new Error('no space left on device');
      }
      const bytes = packed.subarray(at, at + (lengths[i] as number));
      at += bytes.length;
      const header = readBatchHeader(bytes);
      if (header.sequence !== this.latestSequence() + 1) throw new Error(`not the next batch: ${header.sequence}`);
      this.batches.push(Buffer.from(bytes));
    }
    return this.latestSequence();
  }

  /** The last value put under a key, by walking everything. */
  value(family: number, key: string): string | undefined {
    let found: string | undefined;
    for (const bytes of this.batches) {
      const reader = new BatchReader(bytes);
      while (reader.next()) {
        if (reader.family !== family || reader.kind === 'log-data') continue;
        if (bytes.latin1Slice(reader.key.start, reader.key.end) !== key) continue;
        found = reader.kind === 'put' ? bytes.latin1Slice(reader.value.start, reader.value.end) : undefined;
      }
    }
    return found;
  }

  close(): Promise<void> {
    if (this.isOpen) this.#save(this.path);
    this.isOpen = false;
    return Promise.resolve();
  }

  reopen(): Promise<void> {
    if (this.isOpen) return Promise.reject(new Error('open already'));
    const bytes = this.files.content.get(`${this.path}/${logFile}`);
    if (!this.files.content.has(`${this.path}/CURRENT`)) this.batches = [];
    else if (bytes === undefined) return Promise.reject(new Error('Corruption: no log'));
    else this.batches = unpack(bytes);
    this.isOpen = true;
    return Promise.resolve();
  }

  #walTail(fromSequence: number): WalTail {
    let next = fromSequence;
    const find = (): number => this.batches.findIndex((bytes) => readBatchHeader(bytes).sequence === next);
    if (next !== this.latestSequence() + 1 && (find() < 0 || next < this.walFrom)) throw new Error('ROCKS_WAL_GONE');
    const take = (maxBytes: number): WalBlock => {
      const parts: Buffer[] = [];
      let bytes = 0;
      for (let at = find(); at >= 0 && at < this.batches.length; at++) {
        const found = this.batches[at] as Buffer;
        if (parts.length > 0 && bytes + found.length + 4 > maxBytes) break;
        parts.push(found);
        bytes += found.length + 4;
        next += readBatchHeader(found).count;
      }
      return { bytes: pack(parts), count: parts.length };
    };
    return {
      next: take,
      nextAsync: (maxBytes): Promise<WalBlock> => Promise.resolve(take(maxBytes)),
      close: (): void => undefined,
    };
  }
}

function pack(batches: readonly Buffer[]): Buffer {
  return Buffer.concat(
    batches.flatMap((bytes) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

function unpack(bytes: Buffer): Buffer[] {
  const batches: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at);
    batches.push(Buffer.from(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return batches;
}
