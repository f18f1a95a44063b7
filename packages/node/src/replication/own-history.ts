/**
 * What the own log says about who wrote it: replication ids (`use-rsid-psync`) and epochs. Both are records that begin a
 * stretch of history, so both are *due* from the moment on at which this process begins to write, and are put into the
 * log as its first batch, one batch for both: the id first, the epoch last, which is where a replica looks.
 *
 * The epoch record must stand before everything else of its epoch. It is put into the open tick when the role is taken;
 * a tick that is dropped takes it away, and then it is put into the next one before any command (`write`).
 *
 * What is in the log is noted only when it is committed, applied from a master, or read from a database that was opened.
 */
import { assert, type Random } from '@holdfast/base';
import { family, type Commit, type Engine } from '@holdfast/engine';
import {
  beginEpoch,
  epochHistoryKey,
  formatEpochHistory,
  logEnd,
  parseEpochHistory,
  type EpochHistory,
  type LogOutline,
} from '@holdfast/fencing';
import {
  drawReplicationId,
  IdHistory,
  replicationIdKey,
  storedReplicationId,
  type BatchSummary,
  type ReplicatedLog,
} from '@holdfast/replication';

export type HistoryEngine = Pick<ReplicatedLog, 'database' | 'latestSequence'> &
  Pick<Engine, 'replicationId' | 'putPropagate' | 'visibleSequence' | 'dropTick' | 'beginAtomic' | 'endAtomic'>;

/** A whole history of 64 masterships has 64 * 24 characters at most. */
const epochRecordBytes = 2048;
const epochKey = Buffer.from(epochHistoryKey);

export class OwnHistory {
  readonly #engine: HistoryEngine;
  #ids: IdHistory;
  #epochs: EpochHistory;
  #idDue = false;
  /** Of the mastership whose record is not in the log yet. */
  #epochDue: number | undefined;
  /** Records that the open tick holds for what is due. */
  #recordsInTick = 0;

  /** The engine must be open. */
  constructor(engine: HistoryEngine) {
    this.#engine = engine;
    this.#ids = new IdHistory(engine.latestSequence(), storedReplicationId(engine.database));
    this.#epochs = storedEpochs(engine);
  }

  get ids(): IdHistory {
    return this.#ids;
  }

  get outline(): LogOutline {
    return { history: this.#epochs, latestSequence: this.#engine.latestSequence() };
  }

  /** Epoch of the last entry; 0 before the first epoch. */
  get lastEpoch(): number {
    return logEnd(this.#epochs, this.#engine.latestSequence()).epoch;
  }

  /** A record is still to be written (or committed). */
  get due(): boolean {
    return this.#idDue || this.#epochDue !== undefined;
  }

  /** The database is another one, or was changed behind the engine: what it says holds. */
  reload(): void {
    this.#ids = new IdHistory(this.#engine.latestSequence(), storedReplicationId(this.#engine.database));
    this.#epochs = storedEpochs(this.#engine);
  }

  /** From here on this process writes under an id of its own. */
  beginId(random: Random): void {
    this.#engine.replicationId = drawReplicationId(random);
    this.#idDue = true;
  }

  /** From here on this process is the master of `epoch`. */
  beginEpoch(epoch: number): void {
    this.#epochDue = epoch > (this.#epochs.at(-1)?.epoch ?? 0) ? epoch : undefined;
  }

  /** Puts what is due into the open tick, between two commands. Does nothing when it is there already. */
  write(): void {
    const engine = this.#engine;
    if (!this.due || this.#recordsInTick > 0) return;
    const before = engine.visibleSequence();
    assert(
      this.#epochDue === undefined || before === engine.latestSequence(),
      'the record of an epoch stands before everything else of it',
    );
    engine.beginAtomic();
    if (this.#idDue) engine.putPropagate(Buffer.from(replicationIdKey), Buffer.from(engine.replicationId ?? ''));
    if (this.#epochDue !== undefined)
      engine.putPropagate(epochKey, Buffer.from(formatEpochHistory(this.#begun(this.#epochDue, before + 1))));
    engine.endAtomic();
    this.#recordsInTick = engine.visibleSequence() - before;
  }

  /** The open tick holds what is due. */
  get isInTick(): boolean {
    return this.#recordsInTick > 0;
  }

  /** Nothing of an epoch may be committed before its record. */
  checkBeforeCommit(): void {
    assert(this.#epochDue === undefined || this.#recordsInTick > 0, `epoch ${this.#epochDue} has no record yet`);
  }

  #begun(epoch: number, firstSequence: number): EpochHistory {
    return beginEpoch(this.#epochs, epoch, firstSequence);
  }

  /** A tick of this node was committed. */
  committed(commit: Commit): void {
    if (this.#recordsInTick > 0 && this.#epochDue !== undefined)
      this.#epochs = this.#begun(this.#epochDue, commit.firstSequence);
    if (this.#recordsInTick > 0) {
      this.#idDue = false;
      this.#epochDue = undefined;
    }
    this.#recordsInTick = 0;
    this.#ids.note(commit.firstSequence, this.#engine.replicationId);
  }

  /** Batches of a master were applied. */
  applied(summaries: readonly BatchSummary[]): void {
    for (const { sequence, replicationId, lastPut } of summaries) {
      this.#ids.note(sequence, replicationId);
      if (lastPut?.family !== family.propagate || !lastPut.key.equals(epochKey)) continue;
      this.#epochs = parseEpochHistory(lastPut.value.toString('latin1')) ?? this.#epochs;
    }
  }

  /** The open tick was dropped: what it held is due again. */
  tickDropped(): void {
    this.#recordsInTick = 0;
  }

  /** A commit failed, and may be in the log all the same: then its record is not written a second time. */
  commitFailed(): void {
    if (this.#recordsInTick === 0) return;
    this.#recordsInTick = 0;
    this.#epochs = storedEpochs(this.#engine);
    if (this.#epochDue !== undefined) this.beginEpoch(this.#epochDue);
  }

  /** This process writes no more: it follows somebody. What it alone has put into the open tick is taken back. */
  end(): void {
    const engine = this.#engine;
    const openRecords = engine.visibleSequence() - engine.latestSequence();
    if (this.#recordsInTick > 0 && openRecords === this.#recordsInTick) engine.dropTick();
    else assert(openRecords === 0, 'a node with an open tick cannot become a replica');
    engine.replicationId = undefined;
    this.#idDue = false;
    this.#epochDue = undefined;
    this.#recordsInTick = 0;
  }
}

function storedEpochs(engine: HistoryEngine): EpochHistory {
  const value = Buffer.alloc(epochRecordBytes);
  const length = engine.database.get(family.propagate, epochKey, value);
  if (length <= 0) return [];
  const history = parseEpochHistory(value.latin1Slice(0, Math.min(length, epochRecordBytes)));
  // Nobody but this code writes the key; what cannot be read makes every comparison "unknown", the safe side.
  return history ?? [];
}
