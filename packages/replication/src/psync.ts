/**
 * Whether a replica may go on from the master's log, or must take a whole copy (docs/formats/replication-stream.md).
 *
 * Two logs agree up to a sequence when they come from the same writer up to there. A replica names the next sequence
 * it wants and, with `use-rsid-psync`, the replication id under which the last entry it has was written. Kvrocks looks
 * that entry's id up in its WAL. Our binding opens the WAL only where a batch begins, and the entry before `next` may lie
 * in the middle of nowhere; so the same question is answered from what is known for certain:
 *
 * - ids this process has seen being written, with the sequence each began at (`IdHistory`);
 * - the batch at `next` itself: ids change only with a batch that stores the new id, so any other batch has the id of
 *   the entry before it.
 *
 * When neither tells, the replica is refused: a full copy costs time, a wrong continuation costs data. This is stricter
 * than Kvrocks, which skips the check when its WAL does not hold the entry.
 */
import { InvariantError } from '@holdfast/base';
import { BatchReader, family } from '@holdfast/engine';
import { summarizeBatch } from './write-batch.ts';
import type { WalBlock, WalTail } from '@holdfast/rocksdb';
import { replicationIdKey } from './replication-id.ts';
import type { ReplicatedLog } from './replicated-log.ts';

export interface PsyncRequest {
  /** The first sequence the replica does not have. */
  readonly nextSequence: number;
  /** Of its last entry; undefined when it did not say. */
  readonly replicationId: string | undefined;
}

/** Error lines, Kvrocks' own (`src/commands/cmd_replication.cc`). */
export const psyncRefusals = {
  otherHistory: 'ERR wrong replication id of the last log',
  outOfRange: 'ERR sequence out of range, please use fullsync',
} as const;

/** Under which ids the entries of the log were written, as far as this process knows. */
export class IdHistory {
  /** From which sequence on the answers are known. */
  #knownFrom: number;
  /** Rising; each holds up to before the next one. */
  #spans: { readonly fromSequence: number; readonly id: string | undefined }[];

  /**
   * @param latestSequence of the log when the process opened it.
   * @param storedId the id in the propagate family then: that of the last entry, if entries carry ids at all.
   */
  constructor(latestSequence: number, storedId: string | undefined) {
    this.#knownFrom = latestSequence;
    this.#spans = [{ fromSequence: latestSequence, id: storedId }];
  }

  /** The id of the last entry. */
  get lastId(): string | undefined {
    return this.#spans.at(-1)?.id;
  }

  /** A batch whose first entry is `sequence` was written with `id`, or without one. */
  note(sequence: number, id: string | undefined): void {
    if (this.lastId !== id) this.#spans.push({ fromSequence: sequence, id });
    if (this.#spans.length > spansMax) {
      this.#spans.splice(0, this.#spans.length - spansMax);
      this.#knownFrom = this.#spans[0]?.fromSequence ?? sequence;
    }
  }

  /** The id of the entry at `sequence`; `known` is false when it is older than what this process has seen. */
  at(sequence: number): { readonly known: boolean; readonly id: string | undefined } {
    if (sequence < this.#knownFrom) return { known: false, id: undefined };
    return { known: true, id: this.#spans.findLast((span) => span.fromSequence <= sequence)?.id };
  }
}

/** Role changes remembered; each took a failover. */
const spansMax = 1000;

/** What the log says about the place at which a replica wants to go on. */
export interface LogFacts {
  readonly latestSequence: number;
  /** The id of the entry before `next`. */
  readonly entryBefore: { readonly known: boolean; readonly id: string | undefined };
  /** The batch that begins exactly at `next`; undefined when there is none (or none is needed: next = latest + 1). */
  readonly batchAtNext: { readonly id: string | undefined; readonly startsNewId: boolean } | undefined;
}

/**
 * The decision, pure.
 * @returns undefined when the replica may go on, else the error line.
 */
export function decidePsync(request: PsyncRequest, facts: LogFacts): string | undefined {
  const { nextSequence, replicationId } = request;
  const { latestSequence, batchAtNext } = facts;
  if (nextSequence < 1 || nextSequence > latestSequence + 1) return psyncRefusals.outOfRange;
  if (replicationId !== undefined && nextSequence > 1 && isOtherHistory(replicationId, facts))
    return psyncRefusals.otherHistory;
  if (nextSequence <= latestSequence && batchAtNext === undefined) return psyncRefusals.outOfRange;
  return undefined;
}

function isOtherHistory(replicationId: string, { entryBefore, batchAtNext }: LogFacts): boolean {
  if (entryBefore.known) return entryBefore.id !== undefined && entryBefore.id !== replicationId;
  if (batchAtNext?.id === undefined) return false;
  // The batch that stores an id is the first of that id: whatever stood before it was written under another one, which
  // nobody here remembers. A replica that claims the new id there contradicts the log, any other cannot be checked.
  return batchAtNext.startsNewId || batchAtNext.id !== replicationId;
}

/** Where a follower begins. The WAL is opened once for both the decision and the stream: it costs up to 0.3 s. */
export interface LogPlace {
  readonly nextSequence: number;
  /** The WAL at `nextSequence` and what was read of it so far; undefined when nothing is written there yet. */
  readonly opened: { readonly tail: WalTail; readonly first: WalBlock } | undefined;
}

/**
 * Decides on a request, reading from the log what that takes.
 * @returns the place to stream from, whose tail belongs to the caller now; or the error line.
 */
export function openPlace(log: ReplicatedLog, ids: IdHistory, request: PsyncRequest): LogPlace | string {
  const { nextSequence } = request;
  const latestSequence = log.latestSequence();
  const opened = nextSequence >= 1 && nextSequence <= latestSequence ? openAt(log, nextSequence) : undefined;
  const facts = {
    latestSequence,
    entryBefore: ids.at(nextSequence - 1),
    batchAtNext: opened?.batchAtNext,
  };
  const refusal = decidePsync(request, facts);
  if (refusal === undefined) return { nextSequence, opened };
  opened?.tail.close();
  return refusal;
}

interface OpenedLog {
  readonly tail: WalTail;
  readonly first: WalBlock;
  readonly batchAtNext: LogFacts['batchAtNext'];
}

function openAt(log: ReplicatedLog, sequence: number): OpenedLog | undefined {
  let tail: WalTail | undefined;
  try {
    tail = log.database.walTail(sequence);
    const first = tail.next(1);
    if (first.count > 0) return { tail, first, batchAtNext: describeFirst(first) };
    tail.close();
  } catch (error) {
    tail?.close();
    if (error instanceof InvariantError) throw error;
  }
  return undefined; // the log no longer holds it, or no batch begins there: both mean a full copy
}

function describeFirst({ bytes }: WalBlock): LogFacts['batchAtNext'] {
  const end = 4 + bytes.readUInt32LE(0);
  return { id: summarizeBatch(bytes, 4, end).replicationId, startsNewId: storesId(bytes, end) };
}

function storesId(bytes: Buffer, end: number): boolean {
  const reader = new BatchReader(bytes, 4, end);
  while (reader.next()) {
    const isPut = reader.kind === 'put' && reader.family === family.propagate;
    if (isPut && bytes.latin1Slice(reader.key.start, reader.key.end) === replicationIdKey) return true;
  }
  return false;
}
