/**
 * One node of the model: the pure node side of fencing with a clock of its own, a process that can be stopped, killed
 * and started again, and a queue of messages that waits, as a socket buffer does, while the process is stopped.
 */
import { acceptShard, resign } from '../accept-shard.ts';
import { fencedRole, unarmedRecord, type FenceRecord, type OwnIdentity, type ShardMessage } from '../fence-record.ts';
import { holdsLease, type GateFacts } from '../gate.ts';
import type { Heartbeat, HeartbeatReply } from '../heartbeat.ts';
import { formatToken, parseToken } from '../lease-token.ts';
import { closedWord, masteredWord, renewedWord, unpackWord } from '../lease-word.ts';
import { noLease, renew, type LeaseState } from '../renew.ts';
import { logIdOf, nodeIdOf, processIdOf } from './samples.ts';

/** Faults that the model must find. */
export type PlantedFault = 'no-echo' | 'no-withhold' | 'no-wait' | 'same-epoch-restart' | 'epoch-not-persisted';

export type Message =
  | { readonly kind: 'heartbeat'; readonly heartbeat: Heartbeat; answer(reply: HeartbeatReply): void }
  | { readonly kind: 'shard'; readonly message: ShardMessage; answer(error: string | undefined): void }
  | { readonly kind: 'topology'; readonly version: number; readonly masterId: string }
  | { readonly kind: 'resign'; readonly epoch: number; answer(sequence: number | undefined): void };

export interface NodeClock {
  /** The node's lease clock at the world's time: offset and speed of its own. */
  at(worldMs: number): number;
}

export class ModelNode {
  readonly name: string;
  readonly #clock: NodeClock;
  readonly #fault: PlantedFault | undefined;
  #run = 1;
  record: FenceRecord;
  version = 0;
  sequence = 1;
  isStopped = false;
  isDead = false;
  #word = closedWord;
  #lease: LeaseState = noLease;
  #queue: Message[] = [];

  constructor(name: string, clock: NodeClock, fault?: PlantedFault) {
    this.name = name;
    this.#clock = clock;
    this.#fault = fault;
    this.record = unarmedRecord({ logId: logIdOf(name), bootId: 'boot-1', mode: 'disabled' });
  }

  get own(): OwnIdentity {
    return { nodeId: nodeIdOf(this.name), processId: processIdOf(this.name, this.#run) };
  }

  /** True when the process would execute, commit and answer at this instant. */
  isBelieved(worldMs: number): boolean {
    return !this.isStopped && !this.isDead && this.record.armed && holdsLease(this.#facts(worldMs));
  }

  receive(message: Message, worldMs: number): void {
    if (this.isDead) return;
    if (this.isStopped) this.#queue.push(message);
    else this.#handle(message, worldMs);
  }

  /** SIGCONT: what waited in the socket buffers is read; `checked` looks at the world before and after each message. */
  resume(worldMs: number, checked: () => void): void {
    this.isStopped = false;
    checked();
    for (const message of this.#queue.splice(0)) {
      this.#handle(message, worldMs);
      checked();
    }
  }

  /** kill -9: the record on disk stays, queue, lease and process are gone. */
  kill(): void {
    this.isDead = true;
    this.isStopped = false;
    this.#queue = [];
    this.#word = closedWord;
    this.#lease = noLease;
  }

  start(worldMs: number): void {
    this.isDead = false;
    if (this.#fault === 'same-epoch-restart') {
      const wasMaster = this.record.masterId === this.own.nodeId && this.record.processId === this.own.processId;
      if (wasMaster) this.#word = masteredWord(this.record.epoch);
      this.#lease = { epoch: this.record.epoch, deadlines: new Map([['', this.#clock.at(worldMs) + 1000]]) };
      if (wasMaster) this.#renewWord(this.record.epoch, this.#clock.at(worldMs) + 1000);
      return;
    }
    this.#run += 1;
    if (this.#fault === 'epoch-not-persisted')
      this.record = unarmedRecord({ logId: this.record.logId, bootId: 'boot-1', mode: 'disabled' });
  }

  #handle(message: Message, worldMs: number): void {
    switch (message.kind) {
      case 'heartbeat':
        this.#renew(message.heartbeat, worldMs);
        return message.answer(this.#reply(worldMs));
      case 'shard':
        return message.answer(this.#accept(message.message));
      case 'topology':
        if (message.version > this.version) this.version = message.version;
        return;
      case 'resign':
        return message.answer(this.#resign(message.epoch));
      default:
        message satisfies never;
    }
  }

  #renew(heartbeat: Heartbeat, worldMs: number): void {
    const nowMs = this.#clock.at(worldMs);
    const echoed =
      this.#fault === 'no-echo' && parseToken(heartbeat.token) !== undefined
        ? { ...heartbeat, token: formatToken({ processId: this.own.processId, clockMs: nowMs }) }
        : heartbeat;
    const facts = { record: this.record, own: this.own, nowMs, loopStalledMs: 0, stallLimitMs: 5000 };
    const renewal = renew(this.#lease, echoed, facts);
    if (renewal.kind === 'unchanged') return;
    this.#lease = renewal.state;
    this.#renewWord(heartbeat.epoch, renewal.deadlineMs);
  }

  #renewWord(epoch: number, deadlineMs: number): void {
    this.#word = renewedWord(this.#word, epoch, deadlineMs) ?? this.#word;
  }

  #accept(message: ShardMessage): string | undefined {
    const accepted = acceptShard(this.record, message, this.own);
    if (accepted.kind === 'refused') return accepted.error;
    this.record = accepted.record;
    if (accepted.voidDeadline) this.#lease = noLease;
    if (accepted.effect === 'become-master') this.#word = masteredWord(message.epoch);
    if (accepted.effect === 'become-replica') this.#word = closedWord;
    return undefined;
  }

  #resign(epoch: number): number | undefined {
    const resigned = resign(this.record, epoch);
    if (resigned.kind === 'refused') return undefined;
    this.record = resigned.record;
    this.#word = closedWord;
    return this.sequence;
  }

  #reply(worldMs: number): HeartbeatReply {
    const nowMs = this.#clock.at(worldMs);
    const role = fencedRole(this.record, this.own);
    return {
      role: role === 'master' && this.record.armed ? 'master' : 'slave',
      sequence: this.sequence,
      lastEpoch: 0,
      epoch: this.record.epoch,
      isrVersion: this.record.isrVersion,
      version: this.version,
      nodeId: this.own.nodeId,
      processId: this.own.processId,
      logId: this.record.logId,
      armed: this.record.armed,
      mode: this.record.mode,
      replicationMode: 'async',
      health: 'ok',
      loopStalledMs: 0,
      leaseRemainingMs: unpackWord(this.#word).deadlineMs - nowMs,
      masterLinkStatus: 'up',
      isrRequest: '',
      leaseToken: formatToken({ processId: this.own.processId, clockMs: nowMs }),
    };
  }

  #facts(worldMs: number): GateFacts {
    return {
      armed: this.record.armed,
      mode: this.record.mode,
      role: fencedRole(this.record, this.own),
      epoch: this.record.epoch,
      word: unpackWord(this.#word),
      nowMs: this.#clock.at(worldMs),
      roleSinceMs: 0,
      resignedAtMs: undefined,
      isHeld: false,
      isAttached: true,
    };
  }
}
