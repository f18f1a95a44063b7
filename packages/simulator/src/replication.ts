/**
 * Both ends of a toy replication link. What is decided on it (may this follower attach, from which common entry, do its
 * acknowledgements count) is fencing's `judgeAttach`; what is simulated is the order of messages: ATTACH, the answer,
 * rewind or full sync, PSYNC, batches, acknowledgements, and everything that can break in between.
 */
import {
  formatAttachArguments,
  formatAttachReply,
  judgeAttach,
  parseAttachArguments,
  parseAttachReply,
} from '@holdfast/fencing';
import { OperationError } from '@holdfast/base';
import type { Lane } from './machine.ts';
import { Stream, type StreamEnd } from './network.ts';
import type { Entry } from './node-disk.ts';
import type { NodeProcess } from './node-process.ts';
import type { World } from './world.ts';

const retryMs = 60;

/** The master's end: one follower. */
export class FollowerEnd implements StreamEnd {
  readonly lane: Lane;
  readonly #process: NodeProcess;
  readonly #link: ReplicaLink;
  #stream: Stream | undefined;
  /** Epoch of this node in which the follower attached, if its acknowledgements count. */
  #countsIn: number | undefined;
  #attachedLog: string | undefined;
  nodeId = '';
  #isStreaming = false;

  constructor(process: NodeProcess, link: ReplicaLink) {
    this.#process = process;
    this.lane = process.main;
    this.#link = link;
  }

  accepted(stream: Stream): void {
    this.#stream = stream;
  }

  onAttach(args: readonly string[]): void {
    const { keeper, engine, node } = this.#process;
    const parsed = parseAttachArguments(args);
    if (parsed.kind === 'refused') return this.#answer(`-${parsed.error}`);
    const { request } = parsed;
    const verdict = judgeAttach(keeper.record, this.#process.own, engine.outline(), request);
    if (verdict.kind === 'step-down') this.#process.guarded(() => keeper.sawEpoch(verdict.epoch));
    if (verdict.kind === 'attached') {
      this.nodeId = request.nodeId;
      this.#attachedLog = request.logId;
      this.#countsIn = verdict.counts ? keeper.record.epoch : undefined;
      if (verdict.counts && node.world.switches.ackOwnEpoch)
        this.#process.inSync.attached(request.nodeId, request.logId, request.outline.latestSequence);
    }
    node.note(() => `answers ATTACH of ${node.world.nameOf(request.nodeId)}: ${formatAttachReply(verdict)}`);
    this.#answer(formatAttachReply(verdict));
  }

  #answer(line: string): void {
    this.#stream?.send(1, () => this.#link.onAttachReply(line));
  }

  onFullSync(): void {
    const { node, engine } = this.#process;
    const entries = engine.entriesFrom(1);
    node.world.after(node.world.dice.between(3, 60), () =>
      this.lane.deliver(() => this.#stream?.send(1, () => this.#link.onSnapshot(entries))),
    );
  }

  onPsync(next: number): void {
    const { engine, inSync, followers } = this.#process;
    if (this.#attachedLog === undefined || next > engine.latestSequence() + 1) return this.close();
    // One link per follower: what the former still says (or its end) must not be taken for this one's.
    for (const former of [...followers]) if (former.nodeId === this.nodeId) former.close();
    followers.add(this);
    this.#isStreaming = true;
    if (this.#countsIn !== undefined) inSync.attached(this.nodeId, this.#attachedLog, next - 1);
    this.feed(engine.entriesFrom(next));
  }

  feed(entries: readonly Entry[]): void {
    if (this.#isStreaming) this.#stream?.send(1, () => this.#link.onBatch(entries));
  }

  sendProbe(probe: number): void {
    if (this.#isStreaming && this.#countsIn !== undefined) this.#stream?.send(1, () => this.#link.onProbe(probe));
  }

  onAck(sequence: number, probe: number): void {
    if (this.#countsIn !== undefined && this.#isStreaming) this.#process.inSync.acked(this.nodeId, sequence, probe);
  }

  /** Cut from here. */
  close(): void {
    this.#stream?.close(1);
    this.#gone(false);
  }

  onClose(isReset: boolean): void {
    this.#gone(isReset);
  }

  #gone(isReset: boolean): void {
    this.#process.followers.delete(this);
    this.#process.streams.delete(this);
    if (this.#isStreaming && this.#countsIn !== undefined) this.#process.inSync.detached(this.nodeId, isReset);
    this.#isStreaming = false;
  }

  /** The process died: its kernel closes what it had open, unless that is gone too. */
  died(isQuiet: boolean): void {
    if (isQuiet) this.#stream?.vanish(1);
    else this.#stream?.close(1, true);
  }
}

type LinkState = 'idle' | 'connecting' | 'attaching' | 'streaming' | 'rewinding' | 'full-syncing' | 'ended';

/** The replica's end: follows one node until it is ended. */
export class ReplicaLink implements StreamEnd {
  readonly lane: Lane;
  readonly masterId: string;
  readonly #process: NodeProcess;
  readonly #world: World;
  #state: LinkState = 'idle';
  #stream: Stream | undefined;
  #attempt = 0;
  #probe = 0;
  /** Called when a rewind or full sync that is under way has ended. */
  readonly #waiting: (() => void)[] = [];

  constructor(process: NodeProcess, masterId: string) {
    this.#process = process;
    this.#world = process.node.world;
    this.lane = process.main;
    this.masterId = masterId;
  }

  get isUp(): boolean {
    return this.#state === 'streaming';
  }

  /** The log is being changed: nothing may be built on it. */
  get isLoading(): boolean {
    return this.#state === 'rewinding' || this.#state === 'full-syncing';
  }

  start(): void {
    if (this.#state === 'idle') this.#connect();
  }

  #connect(): void {
    this.#state = 'connecting';
    const attempt = ++this.#attempt;
    const master = this.#world.cluster.nodeById(this.masterId);
    const [here, there] = [this.lane.machine.host, master?.machine.host ?? 0];
    const { network } = this.#world;
    if (master === undefined || network.isCut(here, there) || network.isCut(there, here)) return this.#retry(300);
    this.#world.after(network.hopMs() + network.hopMs(), () => {
      const { process } = master;
      if (this.#attempt !== attempt || this.lane.isDead || this.#state !== 'connecting') return;
      if (process === undefined) return this.#retry(retryMs);
      const follower = new FollowerEnd(process, this);
      const stream = new Stream(this.#world, this, follower);
      this.#stream = stream;
      process.streams.add(follower);
      follower.accepted(stream);
      this.lane.deliver(() => this.#attach(stream, follower));
    });
  }

  #follower: FollowerEnd | undefined;

  #attach(stream: Stream, follower: FollowerEnd): void {
    if (this.#stream !== stream || this.#state !== 'connecting') return stream.close(0);
    const { keeper, engine, own } = this.#process;
    this.#follower = follower;
    this.#state = 'attaching';
    // Not in the fence yet: nothing could be compared; the first SHARD comes soon.
    if (!keeper.armed) return this.#again();
    const args = formatAttachArguments({
      epoch: keeper.record.epoch,
      nodeId: own.nodeId,
      logId: keeper.record.logId,
      outline: engine.outline(),
    });
    stream.send(0, () => follower.onAttach(args));
  }

  onAttachReply(line: string): void {
    if (this.#state !== 'attaching') return;
    const reply = parseAttachReply(line);
    const { engine } = this.#process;
    const latest = engine.latestSequence();
    if (reply.kind === 'full-sync') {
      this.#stream?.send(0, () => this.#follower?.onFullSync());
      return;
    }
    if (reply.kind !== 'common' || reply.common.sequence > latest) return this.#again();
    if (reply.common.sequence < latest) return this.#rewind(reply.common.sequence);
    this.#state = 'streaming';
    this.#probe = 0;
    this.#stream?.send(0, () => this.#follower?.onPsync(latest + 1));
  }

  onBatch(entries: readonly Entry[]): void {
    if (this.#state !== 'streaming') return;
    const process = this.#process;
    const first = entries[0];
    process.attached();
    if (first !== undefined) {
      if (first.sequence !== process.engine.latestSequence() + 1) return this.#again();
      try {
        process.applied(entries);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        return this.#again();
      }
    }
    this.#ack();
  }

  onProbe(probe: number): void {
    if (this.#state !== 'streaming') return;
    this.#probe = probe;
    this.#ack();
  }

  #ack(): void {
    const [sequence, probe] = [this.#process.engine.latestSequence(), this.#probe];
    this.#stream?.send(0, () => this.#follower?.onAck(sequence, probe));
  }

  // Giving up what the master does not have.

  #rewind(to: number): void {
    const { node, engine } = this.#process;
    const { disk } = node;
    // Not in the WAL alone: nothing short of a full sync takes it back.
    if (disk.flushed > to) return this.#stream?.send(0, () => this.#follower?.onFullSync());
    this.#drop();
    this.#state = 'rewinding';
    node.note(() => `rewinds from ${engine.latestSequence()} to ${to}`);
    this.#loadingChanged();
    this.#later(0.2, 3, () => {
      for (const entry of disk.log.slice(to)) disk.rolledBack.add(entry);
      this.#later(0.2, 3, () => {
        disk.rewindTo = to;
        this.#later(0.2, 10, () => {
          this.#process.node.finishRewind(engine);
          this.#endLoading();
        });
      });
    });
  }

  onSnapshot(entries: readonly Entry[]): void {
    if (this.#state !== 'attaching') return;
    this.#drop();
    this.#state = 'full-syncing';
    const { node, engine, keeper } = this.#process;
    const { disk } = node;
    node.note(() => `takes a full sync of ${entries.length} entries in place of ${disk.log.length}`);
    this.#loadingChanged();
    this.#later(0.5, 20, () => {
      const kept = new Set(entries);
      for (const entry of disk.log) if (!kept.has(entry)) disk.rolledBack.add(entry);
      this.#later(0.2, 5, () => {
        const logId = node.drawLogId();
        disk.logId = logId;
        keeper.replaceLogId(logId);
        node.logChanging('a full sync', entries);
        engine.replace(entries);
        this.#endLoading();
      });
    });
  }

  /** A step that writes files; on a full disk the node stays out of service until there is room. */
  #later(fromMs: number, toMs: number, run: () => void): void {
    const step = (): void => {
      if (this.#process.node.disk.isFull) this.#later(30, 60, run);
      else run();
    };
    this.#world.after(this.#world.dice.between(fromMs, toMs), () => this.lane.deliver(step));
  }

  #loadingChanged(): void {
    this.#process.logChanged();
  }

  #endLoading(): void {
    // A link that was ended meanwhile still had to finish this: the log must be one thing or the other.
    const wasEnded = this.#isEnded;
    this.#state = wasEnded ? 'ended' : 'idle';
    this.#loadingChanged();
    for (const run of this.#waiting.splice(0)) run();
    if (!wasEnded) this.#connect();
  }

  #isEnded = false;

  /** Runs once no rewind and no full sync is under way. */
  whenQuiet(run: () => void): void {
    if (this.isLoading) this.#waiting.push(run);
    else run();
  }

  // Ends.

  #drop(): void {
    this.#stream?.close(0);
    this.#stream = undefined;
    this.#follower = undefined;
    this.#attempt++;
  }

  #again(): void {
    const wasUp = this.isUp;
    this.#drop();
    this.#state = 'idle';
    if (wasUp) this.#process.reportChanged();
    this.#retry(retryMs);
  }

  #retry(ms: number): void {
    this.#state = 'idle';
    this.lane.after(this.#world.dice.between(ms / 2, ms), () => {
      if (this.#state === 'idle' && !this.#isEnded) this.#connect();
    });
  }

  onClose(): void {
    if (this.#state === 'ended' || this.isLoading) return;
    this.#again();
  }

  /** Follows nobody any more; a log that is just being changed is changed to the end. */
  end(): void {
    this.#isEnded = true;
    if (this.isLoading) return;
    this.#drop();
    this.#state = 'ended';
  }

  /** The epoch changed: attach anew. */
  restart(): void {
    if (this.#isEnded || this.isLoading || this.#state === 'idle') return;
    this.#again();
  }

  died(isQuiet: boolean): void {
    if (isQuiet) this.#stream?.vanish(0);
    else this.#stream?.close(0, true);
  }
}
