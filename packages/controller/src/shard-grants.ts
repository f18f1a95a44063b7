/**
 * The lease side of one shard at one controller: F's steward with the clock read for it. What this controller answers to
 * "withhold" is fixed once per epoch: promises made for the next epoch must not count among those of the ones before.
 */
import {
  composeHeartbeat,
  countWithheld,
  noteHeartbeatReply,
  noteRecord,
  startSteward,
  withholdAnswer,
  type Heartbeat,
  type ShardRecord,
  type Steward,
  type Withheld,
  type WithholdAnswer,
} from '@holdfast/fencing';
import type { ClusterRuntime } from './cluster-runtime.ts';
import type { NodeWatch } from './node-watch.ts';

/** What the leader knows of a transition and others do not. */
export interface Granting {
  /** The former promises have ended and the candidate is being told. */
  readonly isGranting: boolean;
  readonly isPromoted: boolean;
}

export class ShardGrants {
  readonly #runtime: ClusterRuntime;
  readonly #index: number;
  #steward: Steward;
  #answer: { readonly withheld: Withheld; readonly answeredMs: number } | undefined;

  /** For a controller that has just read the store. */
  constructor(runtime: ClusterRuntime, index: number) {
    this.#runtime = runtime;
    this.#index = index;
    this.#steward = startSteward(runtime.clock.leaseMs(), runtime.record(index));
  }

  get #record(): ShardRecord {
    return this.#runtime.record(this.#index);
  }

  /** No epoch up to this one is granted any more. */
  get withheldThrough(): number {
    return this.#steward.grantor.withheldThrough;
  }

  /** The mirror may show another record: what is below its epoch is withheld. */
  noteRecord(): void {
    this.#steward = noteRecord(this.#steward, this.#record);
  }

  /** Withholds `epoch` and what is below it; the same answer however often it is asked. */
  withhold(epoch: number): Withheld {
    if (this.#answer !== undefined && this.#answer.withheld.epoch >= epoch) return this.#answer.withheld;
    const answeredMs = this.#runtime.clock.leaseMs();
    const { steward, answer } = withholdAnswer(this.#steward, epoch, answeredMs);
    this.#steward = steward;
    this.#answer = { withheld: answer, answeredMs };
    return answer;
  }

  /** The answer as this controller counts it itself; undefined before it withheld `epoch`. */
  ownAnswer(epoch: number, controllerId: string): WithholdAnswer | undefined {
    if (this.#answer === undefined || this.#answer.withheld.epoch < epoch) return undefined;
    return countWithheld(controllerId, this.#answer.withheld, this.#answer.answeredMs);
  }

  /** What the next heartbeat to `watch` says, and with it whether a lease is granted. */
  compose(watch: NodeWatch, granting: Granting): Heartbeat {
    const { steward, heartbeat } = composeHeartbeat(this.#steward, {
      ...granting,
      record: this.#record,
      nodeId: watch.node.id,
      reply: watch.reply,
      controllerId: this.#runtime.self.isShared ? this.#runtime.self.id : '',
      isLeased: this.#runtime.isLeased,
      times: this.#runtime.times,
      nowMs: this.#runtime.clock.leaseMs(),
    });
    this.#steward = steward;
    return heartbeat;
  }

  noteReply(watch: NodeWatch, arrivedMs: number): void {
    const { reply } = watch;
    this.#steward = noteHeartbeatReply(this.#steward, {
      record: this.#record,
      nodeId: watch.node.id,
      reply,
      arrivedMs,
    });
  }
}
