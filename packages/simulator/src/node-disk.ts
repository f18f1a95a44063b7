/**
 * What a node's directory holds, and the toy engine over it: a log of entries, the map of keys that follows from it, and
 * an open tick on top. Files count as durable when written (the node fsyncs them before it acts); of the log, what was
 * not synced when the machine goes down may be lost.
 */
import { assert, OperationError } from '@holdfast/base';
import { logEnd, type EpochHistory, type LogEnd, type LogOutline } from '@holdfast/fencing';
import type { TickEngine } from '@holdfast/node/decisions';

/** One record of the log. The same object lies in every log that has it, so that logs compare by identity. */
export interface Entry {
  readonly shard: number;
  readonly sequence: number;
  /** Of the mastership that wrote it; for the judge. */
  readonly epoch: number;
  /** Empty: the epoch record. */
  readonly key: string;
  readonly value: string;
  /** The epoch record's value: the whole history. */
  readonly history: EpochHistory | undefined;
}

type CommitDone = Parameters<TickEngine['commit']>[0];
type Commit = NonNullable<Parameters<CommitDone>[0]>;

/** What the engine hands to the tick loop, and the tick loop to the followers. */
export interface ToyCommit {
  readonly entries: readonly Entry[];
}

export class NodeDisk {
  fenceConf: string | undefined;
  logId = '';
  /** Boot of the machine in which the log was opened last. */
  logBootId = '';
  /** nodes.conf: the topology by its payload and version. */
  topology: { readonly payload: string; readonly version: number } | undefined;
  log: Entry[] = [];
  /** Entries that survive the machine. */
  synced = 0;
  /** Entries that lie in files no rewind can take back. */
  flushed = 0;
  /** A rewind to this sequence was begun. */
  rewindTo: number | undefined;
  /** Rollback files. */
  readonly rolledBack: Set<Entry> = new Set();
  /** Archived WAL that a rewind should have removed: what it would serve, by sequence. */
  readonly staleWal: Map<number, Entry> = new Map();
  isFull = false;

  /** The machine went down: a suffix of what was not synced is gone. @param keep how much of it stays, 0..1. */
  loseUnsynced(keep: number): void {
    const length = this.synced + Math.floor((this.log.length - this.synced) * keep);
    this.log.length = Math.min(this.log.length, length);
  }
}

/** A closed tick that a worker thread is writing. */
interface UnderCommit {
  readonly entries: readonly Entry[];
  readonly done: CommitDone;
  outcome: 'pending' | 'landed' | OperationError;
}

/** Lets a worker thread write when it comes to it, and the main loop hear of it afterwards. */
export type CommitWorker = (write: () => void, told: () => void) => void;

export class ToyEngine implements TickEngine {
  readonly disk: NodeDisk;
  readonly #worker: CommitWorker | undefined;
  #under: UnderCommit | undefined;
  readonly #keys = new Map<string, Entry>();
  #open: Entry[] = [];
  #history: EpochHistory = [];

  /** @param worker absent: every commit is written at once. */
  constructor(disk: NodeDisk, worker?: CommitWorker) {
    this.disk = disk;
    this.#worker = worker;
    this.#reload();
  }

  #reload(): void {
    this.#keys.clear();
    this.#history = [];
    for (const entry of this.disk.log) this.#index(entry);
  }

  #index(entry: Entry): void {
    if (entry.history !== undefined) this.#history = entry.history;
    else this.#keys.set(entry.key, entry);
  }

  get openTickBytes(): number {
    return this.#open.length;
  }

  /** What the main loop knows to be written. */
  latestSequence(): number {
    return this.#under === undefined ? this.disk.log.length : (this.#under.entries[0] as Entry).sequence - 1;
  }

  /** With what is being written and what the open tick would add. */
  visibleSequence(): number {
    return this.latestSequence() + (this.#under?.entries.length ?? 0) + this.#open.length;
  }

  outline(): LogOutline {
    return { history: this.#history, latestSequence: this.latestSequence() };
  }

  get end(): LogEnd {
    return logEnd(this.#history, this.latestSequence());
  }

  get history(): EpochHistory {
    return this.#history;
  }

  /** The newest write of the key, the open tick's included. */
  read(key: string): Entry | undefined {
    const isOfKey = (entry: Entry): boolean => entry.key === key;
    return this.#open.findLast(isOfKey) ?? this.#under?.entries.findLast(isOfKey) ?? this.#keys.get(key);
  }

  /** The newest write of every key. */
  newest(): Entry[] {
    return [...this.#keys.values()];
  }

  /** Into the open tick. */
  put(entry: Omit<Entry, 'sequence'>): Entry {
    const placed: Entry = { ...entry, sequence: this.visibleSequence() + 1 };
    this.#open.push(placed);
    return placed;
  }

  dropTick(): void {
    this.#open = [];
  }

  /** On a full disk the tick is gone. What begins an epoch is written at once. */
  commit(done: CommitDone, now?: 'now'): void {
    assert(this.#under === undefined, 'one tick is committed at a time');
    const entries = this.#open;
    this.#open = [];
    if (entries.length === 0) {
      done(undefined);
      return;
    }
    const first = this.disk.log.length + 1;
    entries.forEach((entry, i) => ((entry as { sequence: number }).sequence = first + i));
    const under: UnderCommit = { entries, done, outcome: 'pending' };
    this.#under = under;
    const isLater =
      this.#worker !== undefined && now === undefined && entries.every(({ history }) => history === undefined);
    if (!isLater) this.#finish(under);
    else
      this.#worker?.(
        () => this.#write(under),
        () => this.#finish(under),
      );
  }

  settle(): void {
    if (this.#under !== undefined) this.#finish(this.#under);
  }

  #write(under: UnderCommit): void {
    if (under.outcome !== 'pending') return;
    try {
      this.#checkSpace();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      under.outcome = error;
      return;
    }
    under.outcome = 'landed';
    this.#append(under.entries);
  }

  #finish(under: UnderCommit): void {
    if (this.#under !== under) return;
    this.#write(under);
    this.#under = undefined;
    const { outcome, entries, done } = under;
    if (outcome instanceof OperationError) done(undefined, outcome);
    else done({ entries } satisfies ToyCommit as unknown as Commit);
  }

  #checkSpace(): void {
    if (this.disk.isFull) throw new OperationError('SIM_DISK_FULL', 'no space', { outcome: 'not-applied' });
  }

  /** A replica's link applies a batch. @throws OperationError when the disk is full. */
  apply(entries: readonly Entry[]): void {
    this.settle();
    this.#checkSpace();
    this.#append(entries);
  }

  #append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.disk.log.push(entry);
      this.#index(entry);
    }
  }

  /** What the WAL serves from `first` on. */
  entriesFrom(first: number): Entry[] {
    const { log, staleWal } = this.disk;
    const entries = log.slice(first - 1, this.latestSequence());
    return staleWal.size === 0 ? entries : entries.map((entry) => staleWal.get(entry.sequence) ?? entry);
  }

  truncate(length: number): void {
    this.disk.log.length = length;
    this.disk.synced = Math.min(this.disk.synced, length);
    this.#reload();
  }

  replace(entries: readonly Entry[]): void {
    this.disk.log = [...entries];
    this.disk.synced = entries.length;
    this.disk.flushed = entries.length;
    this.disk.staleWal.clear();
    this.#reload();
  }
}
