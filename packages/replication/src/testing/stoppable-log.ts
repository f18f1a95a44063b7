/**
 * A database directory in MemoryFiles whose log can be stopped at a sequence, as the binding does it: with the same order
 * of durable steps, and with log files that hand out what was dropped for as long as they are there.
 */
import type { WalBlock, WalTail } from '@holdfast/rocksdb';
import { readBatchHeader } from '../write-batch.ts';
import type { RewindLog } from '../rewind/rewind.ts';
import { batch, type Part } from './batches.ts';
import type { MemoryFiles } from './memory-files.ts';

interface Manifest {
  /** Sequences up to this are in the table. */
  readonly flushed: number;
  /** The only log that is replayed. */
  readonly log: number;
}

export class RocksFailure extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export class StoppableLog implements RewindLog {
  readonly files: MemoryFiles;
  readonly path: string;
  isOpen = false;
  batches: Buffer[] = [];
  /** The next opening fails with this code. */
  failNextOpen: string | undefined;
  readonly database: RewindLog['database'];

  constructor(files: MemoryFiles, path: string) {
    this.files = files;
    this.path = path;
    this.database = {
      walTail: (from): WalTail => this.#walTail(from),
      largestFlushedSequence: (): number => this.#manifest().flushed,
    };
  }

  latestSequence(): number {
    return lastOf(this.batches);
  }

  write(...parts: readonly Part[]): void {
    this.batches.push(batch(this.latestSequence() + 1, ...parts));
    const { flushed, log } = this.#manifest();
    this.#put(`${log}.log`, pack(this.batches.filter((bytes) => readBatchHeader(bytes).sequence > flushed)));
  }

  /** Everything into the table; the log goes to the archive. */
  flush(): void {
    const { log } = this.#manifest();
    this.#put('archive/0.log', Buffer.concat([this.#get('archive/0.log'), this.#get(`${log}.log`)]));
    this.files.content.delete(`${this.path}/${log}.log`);
    this.#put('table', pack(this.batches));
    this.#setManifest({ flushed: this.latestSequence(), log: log + 1 });
  }

  /** The archive and what is in the log are deleted, as after `WAL_ttl_seconds`. */
  forgetLog(): void {
    this.flush();
    this.files.content.delete(`${this.path}/archive/0.log`);
  }

  close(): Promise<void> {
    this.isOpen = false;
    return Promise.resolve();
  }

  async reopen(walStopAt?: number): Promise<void> {
    const code = this.failNextOpen;
    this.failNextOpen = undefined;
    if (code !== undefined) throw new RocksFailure(code);
    if (!this.files.content.has(`${this.path}/CURRENT`)) {
      if (walStopAt !== undefined) throw new RocksFailure('ROCKS_ARGUMENT');
      await this.#replace('CURRENT', Buffer.from(JSON.stringify({ flushed: 0, log: 1 })));
    }
    if (walStopAt !== undefined) await this.#stop(walStopAt);
    this.#read();
    this.isOpen = true;
  }

  #read(): void {
    this.batches = [...unpack(this.#get('table')), ...unpack(this.#get(`${this.#manifest().log}.log`))];
  }

  async #stop(at: number): Promise<void> {
    this.#read();
    const { flushed, log } = this.#manifest();
    const kept = this.batches.filter((bytes) => lastOf([bytes]) <= at);
    if (flushed > at || lastOf(kept) !== at) throw new RocksFailure('ROCKS_WAL_STOP');
    await this.#replace('table', pack(kept));
    await this.#replace('CURRENT', Buffer.from(JSON.stringify({ flushed: at, log: log + 1 })));
    for (const name of await this.files.list(this.path))
      if (name.endsWith('.log')) await this.files.remove(`${this.path}/${name}`);
  }

  async #replace(name: string, content: Buffer): Promise<void> {
    const writer = await this.files.openWriter(`${this.path}/${name}.new`);
    await writer.write(content);
    await writer.finish();
    await this.files.rename(`${this.path}/${name}.new`, `${this.path}/${name}`);
  }

  #manifest(): Manifest {
    return JSON.parse(this.#get('CURRENT').toString()) as Manifest;
  }

  #setManifest(manifest: Manifest): void {
    this.#put('CURRENT', Buffer.from(JSON.stringify(manifest)));
  }

  #get(name: string): Buffer {
    return this.files.content.get(`${this.path}/${name}`) ?? Buffer.alloc(0);
  }

  #put(name: string, content: Buffer): void {
    this.files.content.set(`${this.path}/${name}`, content);
  }

  /** Oldest file first: what a rewind leaves lying about is what a tail finds. */
  #walTail(from: number): WalTail {
    const logs = [...this.files.content.keys()].filter((path) => path.startsWith(this.path) && path.endsWith('.log'));
    const all = logs.sort().flatMap((path) => unpack(this.files.content.get(path) as Buffer));
    let next = from;
    const find = (): Buffer | undefined => all.find((bytes) => readBatchHeader(bytes).sequence === next);
    if (next <= this.latestSequence() && find() === undefined) throw new RocksFailure('ROCKS_WAL_GONE');
    const take = (maxBytes: number): WalBlock => {
      const found: Buffer[] = [];
      let bytes = 0;
      for (let one = find(); one !== undefined && (bytes === 0 || bytes + one.length <= maxBytes); one = find()) {
        found.push(one);
        bytes += one.length;
        next += readBatchHeader(one).count;
      }
      return { bytes: pack(found), count: found.length };
    };
    return {
      next: take,
      nextAsync: (maxBytes): Promise<WalBlock> => Promise.resolve(take(maxBytes)),
      close: (): void => undefined,
    };
  }
}

function lastOf(batches: readonly Buffer[]): number {
  const last = batches.at(-1);
  if (last === undefined) return 0;
  const { sequence, count } = readBatchHeader(last);
  return sequence + count - 1;
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
