/**
 * One tick, one commit, one release.
 *
 * Everything that arrives in one turn of the event loop is executed into the engine's open tick. At the end of the
 * poll phase the tick ends: its batch is committed once, handed to the replicas' sockets, and only then its replies
 * are released, one write per connection, in tick order. Ticks that wait (for a replica's socket, or until every in-sync
 * replica acknowledged what they saw) do not stop later ticks from executing and committing; they only stop later
 * replies from leaving.
 *
 * A large tick is committed by a worker, and the next one runs meanwhile: it reads what the former wrote, so it is released
 * after it, and a commit that fails fails both. One commit is under way at a time; a tick that would end before it has
 * ended stays open and ends with it, larger.
 *
 * A connection that has read and written nothing since its last release waits for nobody: what it was answered (PING,
 * AUTH, REPLCONF, CLUSTERX ...) depends on no write, and a replica that is being waited for must be able to come back.
 *
 * The lease is judged three times, each time with the clock read anew: at admission, at commit and at release. A tick
 * that may not go on is held, not refused: what may have been executed never gets an error reply. It is either
 * continued (the lease was renewed in the same epoch) or dropped, and its connections are closed without bytes, so
 * that their clients know that the outcome is unknown.
 *
 * States of a tick: open -> (held before commit) -> committing -> waiting -> released | dropped.
 */
import { assert, messageOf, type Clock, type Logger, type Timers } from '@holdfast/base';
import type { Commit, CommitDone } from '@holdfast/engine';

/** What a tick may do now. */
export type GateVerdict = 'pass' | 'hold' | 'drop';

/** The two gates of a tick after admission (which is judged per command, see lease/lease-keeper.ts). */
export interface TickGate {
  /** A tick begins: what was admitted before does not count for it. */
  tickOpened(): void;
  /** Judges with the clock read at this call. */
  mayCommit(): GateVerdict;
  mayRelease(): GateVerdict;
}

/** Where a tick's replies go: a connection, or the control channel. */
export interface TickOutput {
  /** Sends what was written during the tick. Called at most once per tick, in tick order. */
  release(bytes: Buffer): void;
  /** Detaches what the tick wrote so far. */
  takeReplies(): Buffer;
  /** Ends the connection without bytes: what it asked for has an unknown outcome. */
  abandon(): void;
  /** Everything it has not been sent yet answers commands that touched neither keys nor topology. */
  readonly unbound: boolean;
}

export interface TickEngine {
  /**
   * Commits the open tick. `done` is told once how it ended, before this returns or later.
   * @param now before this returns; absent: as is best for its size.
   */
  commit(done: CommitDone, now?: 'now'): void;
  /** Waits for the commit under way; its `done` has been called afterwards. */
  settle(): void;
  dropTick(): void;
  latestSequence(): number;
  /** Bytes of the open tick's batches; 0 when nothing was written. */
  readonly openTickBytes: number;
}

export interface TickFollowers {
  /** Hands a commit to the sockets of attached replicas. */
  onCommit(commit: Commit): void;
  /**
   * A tick that read or wrote has ended: asks those it must wait for, if its replies need more than acknowledgements.
   * @returns what `mayRelease` is to be asked with; 0 for nothing.
   */
  probe(): number;
  /** Whether replies that depend on `sequence`, and on the answers to `probe`, may leave. */
  mayRelease(sequence: number, probe: number): boolean;
}

export interface TickStats {
  commits: number;
  commandsCommitted: number;
  commitFailures: number;
}

/** What an ended tick answered, detached from its outputs. */
interface Answers {
  readonly outputs: TickOutput[];
  readonly replies: Buffer[];
  readonly bytes: number;
  /** Whether it executed anything that needs a lease. */
  readonly gated: boolean;
}

interface Committing extends Answers {
  readonly commands: number;
  readonly sinceMs: number;
  /** Its connections were closed while it was being written: what it wrote stays, acknowledged to nobody. */
  isDropped: boolean;
}

interface Waiting extends Answers {
  readonly sequence: number;
  readonly probe: number;
}

/**
 * Bytes of replies that may wait for their release; above it no command that reads or writes is admitted. At least what
 * one tick of many connections asks for, so that a slow replica costs throughput before it costs standstill.
 */
const heldBytesMax = 64 * 1024 * 1024;
/** What keeping one connection's replies takes beside the replies. */
const heldOverheadBytes = 128;

/** Bytes of writes above which a tick ends early: what one turn of the event loop reads can ask for much more. */
const earlyEndBytes = 32 * 1024 * 1024;

export interface TickLoopEnvironment {
  readonly engine: TickEngine;
  readonly gate: TickGate;
  readonly followers: TickFollowers;
  readonly clock: Pick<Clock, 'leaseMs'>;
  readonly timers: Timers;
  readonly logger: Logger;
  /** A commit failed: the node reports it and refuses writes until it can write again. */
  onWriteFailure(error: unknown): void;
  /** Replies were held up to the bound and are so no more: what was not admitted may be asked again. */
  onRoom(): void;
}

export class TickLoop {
  readonly stats: TickStats = { commits: 0, commandsCommitted: 0, commitFailures: 0 };
  /** Told how long each commit that wrote something has taken; undefined while nobody wants to know. */
  commitObserver: ((durationMs: number) => void) | undefined = undefined;
  readonly #env: TickLoopEnvironment;
  #outputs: TickOutput[] = [];
  #committing: Committing | undefined;
  /** The open tick is to end when the commit under way has ended. */
  #endDue = false;
  #waiting: Waiting[] = [];
  #heldBytes = 0;
  #full = false;
  #onReleased: (() => void) | undefined;
  #open = false;
  #scheduled = false;
  /** Called when the tick is dropped under what holds it open; undefined while nothing does. */
  #pinnedBy: (() => void) | undefined;
  #number = 1;
  #commands = 0;
  #gated = false;
  readonly #endTick = (): void => this.#endSoon();
  readonly #onCommitted: CommitDone = (commit, error) => this.#committed(commit, error);

  constructor(env: TickLoopEnvironment) {
    this.#env = env;
  }

  /** Number of the open (or next) tick; a connection compares it to know whether it has joined already. */
  get number(): number {
    return this.#number;
  }

  /** Whether commands are being executed into a tick. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Bytes of replies that wait for their release. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Too much waits for its release: nothing that reads or writes is to be executed now. */
  get isFull(): boolean {
    return this.#full;
  }

  /** When the commit under way began, on the lease clock; undefined when there is none. */
  get committingSinceMs(): number | undefined {
    return this.#committing?.sinceMs;
  }

  /** Ticks that have ended and wait for their commit or their release. */
  get waitingTicks(): number {
    return this.#waiting.length + (this.#committing === undefined ? 0 : 1);
  }

  /** Calls `run` once nothing waits any more (released or dropped); at once when nothing does. One at a time. */
  whenReleased(run: () => void): void {
    this.#onReleased = run;
    this.#noteReleased();
  }

  #noteReleased(): void {
    if (this.waitingTicks > 0 || this.#onReleased === undefined) return;
    const run = this.#onReleased;
    this.#onReleased = undefined;
    run();
  }

  /** Opens a tick unless one is open; it ends at the end of this poll phase. */
  open(): void {
    if (!this.#open) {
      this.#open = true;
      this.#env.gate.tickOpened();
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#env.timers.soon(this.#endTick);
  }

  /** A command that goes on over several turns holds the open tick: it does not end before `unpin`. */
  get isPinned(): boolean {
    return this.#pinnedBy !== undefined;
  }

  /** @param dropped called when the tick is dropped with what holds it. */
  pin(dropped: () => void): void {
    assert(this.#open && this.#pinnedBy === undefined, 'one command holds an open tick');
    this.#pinnedBy = dropped;
  }

  /** The tick ends at the end of this poll phase. */
  unpin(): void {
    this.#pinnedBy = undefined;
    this.open();
  }

  /** The output writes its first reply of this tick. */
  join(output: TickOutput): void {
    assert(this.#open, 'only an open tick can be joined');
    this.#outputs.push(output);
  }

  /** A command runs in the open tick; `gated` when it reads or writes keys or topology. */
  countCommand(gated: boolean): void {
    this.#commands++;
    if (gated) this.#gated = true;
  }

  /**
   * Ends the open tick: commit, hand over, release. Also called when a held tick may go on; does nothing when no tick
   * is open. Nothing is being committed afterwards.
   */
  end(): void {
    this.settle();
    this.#end('now');
  }

  /**
   * Waits for the commit under way, if there is one: it has been handed over, and released as far as it may be. Another
   * one is not begun.
   */
  settle(): void {
    if (this.#committing === undefined) return;
    const endDue = this.#endDue;
    this.#endDue = false;
    this.#env.engine.settle();
    if (endDue && this.#open) this.#schedule();
  }

  /** The poll phase is over. */
  #endSoon(): void {
    this.#scheduled = false;
    if (this.#committing !== undefined) this.#endDue = true;
    else this.#end();
  }

  #end(now?: 'now'): void {
    this.#scheduled = false;
    this.#endDue = false;
    if (!this.#open || this.#pinnedBy !== undefined) return;
    const verdict = this.#env.engine.openTickBytes > 0 ? this.#env.gate.mayCommit() : 'pass';
    if (verdict === 'hold') return;
    if (verdict === 'drop') {
      this.dropAll('the lease was lost before the commit');
      return;
    }
    this.#open = false;
    this.#number++;
    const answers = this.#takeAnswers(this.#outputs, this.#gated);
    this.#outputs = [];
    this.#committing = { ...answers, commands: this.#commands, sinceMs: this.#env.clock.leaseMs(), isDropped: false };
    this.#commands = 0;
    this.#gated = false;
    this.#env.engine.commit(this.#onCommitted, now);
  }

  #committed(commit: Commit | undefined, error: unknown): void {
    const committing = this.#committing;
    assert(committing !== undefined, 'a commit ends that nobody began');
    this.#committing = undefined;
    if (error !== undefined) {
      this.#commitFailed(committing, error);
      return;
    }
    if (commit !== undefined) {
      this.stats.commits++;
      this.stats.commandsCommitted += committing.commands;
      this.commitObserver?.(this.#env.clock.leaseMs() - committing.sinceMs);
      this.#env.followers.onCommit(commit);
    }
    if (!committing.isDropped) this.#await(committing);
    this.releaseReady();
    this.#noteReleased();
    if (this.#endDue) this.#end();
  }

  /** Ends the open tick when its writes have become large. Between two commands only. */
  endIfLarge(): void {
    // At once: with a worker that writes it and the next one as large, memory would hold it four times.
    if (this.#open && this.#env.engine.openTickBytes >= earlyEndBytes) this.end();
  }

  /** Detaches what a tick answered; what depends on no data leaves at once. */
  #takeAnswers(outputs: readonly TickOutput[], gated: boolean): Answers {
    const held: TickOutput[] = [];
    const replies: Buffer[] = [];
    let bytes = 0;
    for (const output of outputs) {
      const isUnbound = output.unbound;
      const taken = output.takeReplies();
      if (isUnbound) {
        output.release(taken);
        continue;
      }
      bytes += taken.length + heldOverheadBytes;
      held.push(output);
      replies.push(taken);
    }
    this.#heldBytes += bytes;
    this.#full = this.#full || this.#heldBytes > heldBytesMax;
    return { outputs: held, replies, bytes, gated };
  }

  /** What was answered waits for its release. */
  #await(answers: Answers): void {
    if (answers.outputs.length === 0) return;
    const { engine, followers } = this.#env;
    const { outputs, replies, bytes, gated } = answers;
    const probe = gated ? followers.probe() : 0;
    this.#waiting.push({ sequence: engine.latestSequence(), probe, outputs, replies, bytes, gated });
  }

  /** Releases, in order, every tick whose condition holds now. Called after a commit and whenever a replica moved on. */
  releaseReady(): void {
    const waiting = this.#waiting;
    let released = 0;
    while (released < waiting.length) {
      const tick = waiting[released] as Waiting;
      if (!this.#env.followers.mayRelease(tick.sequence, tick.probe)) break;
      const verdict = tick.gated ? this.#env.gate.mayRelease() : 'pass';
      if (verdict === 'hold') break;
      if (verdict === 'drop') {
        waiting.splice(0, released);
        this.dropAll('the lease was lost before the release');
        return;
      }
      this.#heldBytes -= tick.bytes;
      this.#release(tick);
      released++;
    }
    if (released === 0) return;
    waiting.splice(0, released);
    this.#noteRoom();
    this.#noteReleased();
  }

  #noteRoom(): void {
    if (!this.#full || this.#heldBytes > heldBytesMax / 2) return;
    this.#full = false;
    // Not in the middle of a release: what was not admitted runs in a tick of its own.
    this.#env.timers.soon(() => this.#env.onRoom());
  }

  /**
   * Asks the gate although nothing moved: what waits for a replica is not kept waiting by a node whose lease is long
   * gone. To be called now and then.
   */
  checkWaiting(): void {
    const isGated = this.#committing?.gated === true || this.#waiting.some(({ gated }) => gated);
    if (isGated && this.#env.gate.mayRelease() === 'drop') this.dropAll('the lease was lost while replies waited');
  }

  /** Tries to go on after a hold: commit what is open, release what waits. */
  resume(): void {
    this.end();
    this.releaseReady();
  }

  /**
   * Drops the open tick and every unreleased one: their connections are closed without bytes. Batches already
   * committed stay; they were acknowledged to nobody. Ticks that executed nothing under the lease only waited for their
   * turn: they are released, save to a connection that is closed for what it asked before or after.
   */
  dropAll(reason: string): void {
    const unknown = new Set<TickOutput>();
    const dropped = this.#dropOpen(unknown);
    const waiting: Answers[] = this.#waiting;
    const committing = this.#committing;
    if (committing !== undefined && !committing.isDropped) {
      committing.isDropped = true;
      waiting.push(committing);
    }
    if (dropped !== undefined) waiting.push(dropped);
    this.#waiting = [];
    this.#heldBytes = 0;
    for (const tick of waiting) if (tick.gated) for (const output of tick.outputs) unknown.add(output);
    if (unknown.size > 0) this.#env.logger.warn('dropped unreleased ticks', { reason, connections: unknown.size });
    for (const output of unknown) output.abandon();
    for (const tick of waiting) if (!tick.gated) this.#release(tick, unknown);
    this.#noteRoom();
    this.#noteReleased();
  }

  /**
   * Takes back what the open tick has executed, if one is open; its connections, if it read or wrote, go into `unknown`.
   * @returns what it answered otherwise.
   */
  #dropOpen(unknown: Set<TickOutput>): Answers | undefined {
    if (!this.#open) return undefined;
    const isGated = this.#gated || this.#env.engine.openTickBytes > 0;
    if (isGated) for (const output of this.#outputs) unknown.add(output);
    const pinnedBy = this.#pinnedBy;
    this.#pinnedBy = undefined;
    pinnedBy?.();
    this.#env.engine.dropTick();
    const answers = isGated ? undefined : this.#takeAnswers(this.#outputs, false);
    this.#outputs = [];
    this.#commands = 0;
    this.#gated = false;
    this.#open = false;
    this.#endDue = false;
    this.#number++;
    return answers;
  }

  #release({ outputs, replies }: Answers, closed?: ReadonlySet<TickOutput>): void {
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs[i] as TickOutput;
      if (closed?.has(output) !== true) output.release(replies[i] as Buffer);
    }
  }

  /**
   * Drops what waits for its release, and nothing that was not executed: connections to which nothing was answered yet
   * go on.
   */
  dropWaiting(reason: string): void {
    this.settle();
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#heldBytes = 0;
    const unknown = new Set<TickOutput>();
    for (const { outputs, replies } of waiting) {
      for (let i = 0; i < outputs.length; i++) {
        const [output, bytes] = [outputs[i] as TickOutput, replies[i] as Buffer];
        if (bytes.length > 0) unknown.add(output);
        else output.release(bytes);
      }
    }
    this.#env.logger.warn('dropped unreleased ticks', { reason, connections: unknown.size });
    for (const output of unknown) output.abandon();
    this.#noteRoom();
    this.#noteReleased();
  }

  /** The tick that ran meanwhile has read what the failed one wrote: it fails too. */
  #commitFailed({ outputs, bytes, isDropped }: Committing, error: unknown): void {
    this.stats.commitFailures++;
    this.#env.logger.error('a commit failed; its outcome is unknown to its clients', { error: messageOf(error) });
    const unknown = new Set(isDropped ? [] : outputs);
    if (!isDropped) this.#heldBytes -= bytes;
    const unharmed = this.#dropOpen(unknown);
    for (const output of unknown) output.abandon();
    if (unharmed !== undefined) {
      this.#heldBytes -= unharmed.bytes;
      this.#release(unharmed, unknown);
    }
    this.#env.onWriteFailure(error);
    this.#noteRoom();
    this.#noteReleased();
  }
}
