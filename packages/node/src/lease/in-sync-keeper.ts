/**
 * The in-sync set of the present mastership: who must have acknowledged what before anything may leave (F3). It holds
 * the state of fencing's in-sync rules, feeds them with what links and the control port say, and wakes the tick loop;
 * what is to be waited for is decided there.
 *
 * On a replica, on a node that is not armed and with `replication-mode async` it lets everything pass. The state is kept
 * in async mode too, so that switching to sync waits for the right nodes from the first reply on.
 *
 * Hot path: one question per tick (`mayRelease`), one step per acknowledgement.
 */
import type { Clock, Timer, Timers } from '@holdfast/base';
import {
  beginInSync,
  confirmedProbe,
  effectiveIsr,
  formatIsrRequest,
  isWritable,
  isrRequestOf,
  nextLookMs,
  noProbes,
  noteProbeAnswer,
  releasableThrough,
  startProbe,
  stepInSync,
  type InSync,
  type InSyncEvent,
  type InSyncFacts,
  type IsrMember,
  type ReadProbes,
  type ShardMessage,
} from '@holdfast/fencing';

export interface InSyncHost {
  /** More may be released than before: the tick loop looks again. */
  released(): void;
  /** What the heartbeat reply asks for, or whether writes are accepted, is another thing than before. */
  inSyncChanged(): void;
  /** Asks every follower attached in this epoch to answer `probe` with its next acknowledgement. */
  sendProbe(probe: number): void;
}

export interface InSyncSettings {
  /** `replication-mode sync`. */
  readonly isSync: boolean;
  /** `min-isr`. */
  readonly minIsr: number;
  /** `isr-timeout-ms`. */
  readonly isrTimeoutMs: number;
  /** `read-mode confirm`. */
  readonly confirmsReads: boolean;
}

export interface InSyncEnvironment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly host: InSyncHost;
  /** Read anew at every question. */
  settings(): InSyncSettings;
  /** Of the own log. */
  latestSequence(): number;
}

/** What INFO shows of the mastership. */
export interface InSyncReport {
  readonly isrVersion: number;
  /** Confirmed members. */
  readonly isr: readonly IsrMember[];
  /** Members that are waited for: confirmed, and proposed for addition. */
  readonly waitedFor: number;
  readonly releasedThrough: number;
}

/** How exactly it is known since when a reply waits. */
const looksPerTimeout = 16;

type Facts = { -readonly [K in keyof InSyncFacts]: InSyncFacts[K] };

export class InSyncKeeper {
  readonly #env: InSyncEnvironment;
  readonly #facts: Facts = { nowMs: 0, isrTimeoutMs: 0, minIsr: 1, latestSequence: 0 };
  #state: InSync | undefined;
  #probes: ReadProbes = noProbes(0);
  #timer: Timer | undefined;
  #timerMs = Infinity;
  /** Lease clock of the last step. */
  #lookedMs = -Infinity;
  #request = '';
  #writable = true;

  constructor(env: InSyncEnvironment) {
    this.#env = env;
  }

  /** This process has taken the mastership of `record`. Nobody has attached in its epoch yet. */
  begin(record: ShardMessage, ownId: string): void {
    this.end();
    this.#state = beginInSync(withMaster(record, ownId), ownId);
    this.#probes = noProbes(record.epoch);
    this.#step({ kind: 'look' });
  }

  /** The mastership is over. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerMs = Infinity;
    this.#state = undefined;
    this.#noteAnswers();
  }

  /** A SHARD of the same epoch with another isr-version. */
  recordChanged(record: ShardMessage): void {
    if (this.#state !== undefined) this.#step({ kind: 'record', record: withMaster(record, this.#state.ownId) });
  }

  /** A follower that counts was granted PSYNC; everything up to `sequence` is in its log `logId`. */
  attached(nodeId: string, logId: string, sequence: number): void {
    this.#step({ kind: 'attached', nodeId, logId, sequence });
    if (this.#probes.started > 0) this.#env.host.sendProbe(this.#probes.started);
  }

  /** On a link attached so. `probe`: the newest that it answers, 0 for none. */
  acked(nodeId: string, sequence: number, probe: number): void {
    if (this.#state === undefined) return;
    // An answer to a probe that was never started is the word of a peer that is broken; it proves nothing.
    const isAnswer = probe > 0 && probe <= this.#probes.started;
    if (isAnswer) this.#probes = noteProbeAnswer(this.#probes, nodeId, probe);
    this.#step({ kind: 'ack', nodeId, sequence });
    if (isAnswer) this.#env.host.released();
  }

  /** @param isReset the peer's end is gone, as of a process that died; false for a link that was cut here. */
  detached(nodeId: string, isReset: boolean): void {
    this.#step({ kind: 'detached', nodeId, isReset });
  }

  /** `min-isr`, `isr-timeout-ms` or `replication-mode` is another one. */
  settingsChanged(): void {
    this.#step({ kind: 'look' });
    this.#env.host.released();
  }

  /** A tick with reads has ended. @returns the probe its replies wait for; 0 when they need none. */
  startProbe(): number {
    const { isSync, confirmsReads } = this.#env.settings();
    if (this.#state === undefined || !isSync || !confirmsReads) return 0;
    this.#probes = startProbe(this.#probes);
    this.#env.host.sendProbe(this.#probes.started);
    return this.#probes.started;
  }

  /** Whether replies that depend on everything up to `sequence`, and on the answers to `probe`, may leave. */
  mayRelease(sequence: number, probe = 0): boolean {
    const state = this.#state;
    if (state === undefined || !this.#env.settings().isSync) return true;
    this.#refresh();
    const isAcknowledged = releasableThrough(state, this.#facts) >= sequence;
    if (!isAcknowledged) this.#noteGrowth();
    return isAcknowledged && (probe === 0 || confirmedProbe(this.#probes, state) >= probe);
  }

  /** Something waits: since when must be known, to within a part of the timeout, to find out who delays it too long. */
  #noteGrowth(): void {
    const { nowMs, isrTimeoutMs } = this.#facts;
    const dueMs = this.#lookedMs + isrTimeoutMs / looksPerTimeout;
    if (nowMs >= dueMs) this.#advance({ kind: 'look' });
    else this.#lookAt(dueMs);
  }

  /** As `mayRelease`, for a sequence alone. */
  mayReleaseThrough(sequence: number): boolean {
    return this.mayRelease(sequence);
  }

  /** This node is an armed master in sync mode: replies wait for its in-sync set. */
  get isActive(): boolean {
    return this.#state !== undefined && this.#env.settings().isSync;
  }

  /** False: writes are to be answered NOREPLICAS. */
  get isWritable(): boolean {
    return this.#writable;
  }

  /** For the heartbeat reply: the change of the ISR that this master asks for, empty for none. */
  get isrRequest(): string {
    return this.#request;
  }

  /** Undefined while this node is no armed master. */
  report(): InSyncReport | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    this.#refresh();
    return {
      isrVersion: state.isrVersion,
      isr: state.confirmed,
      waitedFor: effectiveIsr(state).length,
      releasedThrough: releasableThrough(state, this.#facts),
    };
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #refresh(): void {
    const { clock, settings, latestSequence } = this.#env;
    const { isrTimeoutMs, minIsr } = settings();
    this.#facts.nowMs = clock.leaseMs();
    this.#facts.isrTimeoutMs = isrTimeoutMs;
    this.#facts.minIsr = minIsr;
    this.#facts.latestSequence = latestSequence();
  }

  #step(event: InSyncEvent): void {
    if (this.#advance(event)) this.#env.host.released();
  }

  /** @returns whether more may be released than before. */
  #advance(event: InSyncEvent): boolean {
    if (this.#state === undefined) return false;
    this.#refresh();
    const before = this.#state.releasedThrough;
    this.#state = stepInSync(this.#state, event, this.#facts);
    this.#lookedMs = this.#facts.nowMs;
    const lookMs = nextLookMs(this.#state, this.#facts);
    if (lookMs !== undefined) this.#lookAt(lookMs);
    this.#noteAnswers();
    return this.#state.releasedThrough > before;
  }

  /** Looks when time alone changes something. An earlier timer stays: it looks, and sets the next one. */
  #lookAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timerMs <= atMs) return;
    this.#timer?.cancel();
    this.#timerMs = atMs;
    this.#timer = this.#env.timers.after(Math.max(0, atMs - this.#facts.nowMs), () => {
      this.#timer = undefined;
      this.#timerMs = Infinity;
      this.#step({ kind: 'look' });
    });
  }

  #noteAnswers(): void {
    const state = this.#state;
    const { isSync } = this.#env.settings();
    const request = state === undefined || !isSync ? undefined : isrRequestOf(state);
    const text = request === undefined ? '' : formatIsrRequest(request);
    const writable = state === undefined || !isSync || isWritable(state, this.#facts);
    if (text === this.#request && writable === this.#writable) return;
    this.#request = text;
    this.#writable = writable;
    this.#env.host.inSyncChanged();
  }
}

/** The master is a member of its own in-sync set, also where a record (of an asynchronous shard) lists nobody. */
function withMaster(record: ShardMessage, ownId: string): ShardMessage {
  if (record.isr.some(({ nodeId }) => nodeId === ownId)) return record;
  return { ...record, isr: [{ nodeId: ownId, logId: '' }, ...record.isr] };
}
