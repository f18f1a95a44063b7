/**
 * One node as this controller sees it: a heartbeat every tenth of the lease on a connection of its own, one in flight,
 * and a second connection for everything else, so that a SETNODES that takes its time delays no heartbeat.
 *
 * Whether a heartbeat grants a lease is decided by the shard's driver at the instant it is written (`compose`); when its
 * reply arrived is read from the lease clock before anything else is done with it.
 */
import { messageOf, type Clock, type Connector, type Logger, type Timer, type Timers } from '@holdfast/base';
import {
  formatHeartbeatArguments,
  noteLapse,
  parseHeartbeatReply,
  stepDetector,
  suspectAtMs,
  watchNode,
  type Detector,
  type FenceTimes,
  type Heartbeat,
  type HeartbeatReply,
  type Lapse,
  type NodeView,
} from '@holdfast/fencing';
import { ReplyError } from '@holdfast/resp';
import { endpointOf } from './cluster-layout.ts';
import { NodeLink } from './node-link.ts';
import type { ClusterNodeRecord } from './records.ts';

export interface NodeWatchEnv {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connector: Connector;
  readonly logger: Logger;
}

export interface NodeWatchOptions {
  readonly env: NodeWatchEnv;
  readonly node: ClusterNodeRecord;
  readonly password: string;
  readonly times: FenceTimes;
  /** Called right before a heartbeat is written. */
  compose(watch: NodeWatch): Heartbeat;
  /** A reply arrived at `arrivedMs` of the lease clock. */
  onReply(watch: NodeWatch, arrivedMs: number): void;
  /** The node became suspect, or answered again. */
  onChange(watch: NodeWatch, effect: 'suspected' | 'recovered'): void;
}

export class NodeWatch {
  readonly node: ClusterNodeRecord;
  readonly #options: NodeWatchOptions;
  readonly #heartbeatLink: NodeLink;
  readonly #commandLink: NodeLink;
  #detector: Detector;
  #reply: HeartbeatReply | undefined;
  #repliedMs: number | undefined;
  #isInFlight = false;
  #isAgainWanted = false;
  #isStopped = false;
  #beatTimer: Timer | undefined;
  #suspectTimer: Timer | undefined;
  #lastError = '';
  #attachedMs: number | undefined;
  #lapse: Lapse | undefined;

  constructor(options: NodeWatchOptions) {
    const { env, node, password, times } = options;
    this.node = node;
    this.#options = options;
    const { connector, timers } = env;
    const endpoint = endpointOf(node.controlAddr);
    const link = { connector, timers, endpoint, password, connectTimeoutMs: times.suspectMs / 2 };
    this.#heartbeatLink = new NodeLink(link);
    this.#commandLink = new NodeLink(link);
    this.#detector = watchNode(env.clock.leaseMs());
  }

  start(): void {
    this.beatNow();
    this.#armSuspicion();
  }

  stop(): void {
    this.#isStopped = true;
    this.#beatTimer?.cancel();
    this.#suspectTimer?.cancel();
    this.#heartbeatLink.close();
    this.#commandLink.close();
  }

  get reply(): HeartbeatReply | undefined {
    return this.#reply;
  }

  get isSuspect(): boolean {
    return this.#detector.isSuspect;
  }

  /** Lease clock of the last reply, or of when watching began. */
  get heardMs(): number {
    return this.#detector.heardMs;
  }

  /** Lease clock of the last reply; undefined before the first. */
  get repliedMs(): number | undefined {
    return this.#repliedMs;
  }

  /** What the plans look at; `wasAttached`: seen as master or with its link up at `sinceMs` of the lease clock or later. */
  view(sinceMs: number): NodeView {
    return {
      nodeId: this.node.id,
      isSuspect: this.#detector.isSuspect,
      reply: this.#reply,
      wasAttached: this.#attachedMs !== undefined && this.#attachedMs >= sinceMs,
      lapsedForMs: this.#lapse === undefined ? 0 : (this.#repliedMs ?? 0) - this.#lapse.sinceMs,
    };
  }

  /**
   * Answers, is well, and follows its master; for a moment after its link went down too, since at a role change every
   * replica attaches anew.
   */
  get isFollowing(): boolean {
    const { env, times } = this.#options;
    const isWell = !this.#detector.isSuspect && this.#reply?.health === 'ok';
    const sinceMs = env.clock.leaseMs() - 3 * times.leaseMs;
    return isWell && this.#attachedMs !== undefined && this.#attachedMs >= sinceMs;
  }

  /**
   * Sends a command on the second connection, in the order of the calls.
   * @returns the reply's text, or a ReplyError; rejects as NodeLink.call.
   */
  command(args: readonly string[], timeoutMs: number = this.#options.times.leaseMs): Promise<string | ReplyError> {
    return this.#commandLink.call(args, timeoutMs);
  }

  /**
   * Sends commands on the second connection, one right behind the other and to one process.
   * @returns one promise for each, as of `command`.
   */
  commandsTogether(commands: readonly (readonly string[])[]): Promise<string | ReplyError>[] {
    return this.#commandLink.callTogether(commands, this.#options.times.leaseMs);
  }

  /** A heartbeat at once; after the one in flight, if there is one. */
  beatNow(): void {
    if (this.#isStopped) return;
    if (this.#isInFlight) {
      this.#isAgainWanted = true;
      return;
    }
    this.#beatTimer?.cancel();
    this.#isInFlight = true;
    void this.#beat();
  }

  /** Never rejects. */
  async #beat(): Promise<void> {
    const { env, times } = this.#options;
    const beganMs = env.clock.leaseMs();
    try {
      const args = (): string[] => {
        return ['CLUSTERX', 'HEARTBEAT', ...formatHeartbeatArguments(this.#options.compose(this))];
      };
      const text = await this.#heartbeatLink.call(args, times.leaseMs);
      const arrivedMs = env.clock.leaseMs();
      if (!this.#isStopped) this.#receive(text, arrivedMs);
    } catch (error) {
      this.#complain(messageOf(error));
    }
    this.#isInFlight = false;
    if (this.#isStopped) return;
    if (this.#isAgainWanted) {
      this.#isAgainWanted = false;
      return this.beatNow();
    }
    const restMs = Math.max(1, beganMs + times.heartbeatMs - env.clock.leaseMs());
    this.#beatTimer = env.timers.after(restMs, () => this.beatNow());
  }

  #receive(text: string | ReplyError, arrivedMs: number): void {
    if (text instanceof ReplyError) return this.#complain(text.message);
    const reply = parseHeartbeatReply(text);
    if (reply === undefined) return this.#complain('its answer to HEARTBEAT is no heartbeat reply');
    this.#lastError = '';
    this.#reply = reply;
    this.#repliedMs = arrivedMs;
    this.#lapse = noteLapse(this.#lapse, reply, arrivedMs);
    if (reply.role === 'master' || reply.masterLinkStatus === 'up') this.#attachedMs = arrivedMs;
    this.#step('reply', arrivedMs);
    this.#armSuspicion();
    this.#options.onReply(this, arrivedMs);
  }

  #step(kind: 'reply' | 'tick', nowMs: number): void {
    const { detector, effect } = stepDetector(this.#detector, { kind }, { nowMs, times: this.#options.times });
    this.#detector = detector;
    if (effect !== undefined) this.#options.onChange(this, effect);
  }

  /** One timer for the instant of suspicion, and a tick every heartbeat before, which shows own pauses. */
  #armSuspicion(): void {
    this.#suspectTimer?.cancel();
    if (this.#isStopped) return;
    const { env, times } = this.#options;
    const restMs = suspectAtMs(this.#detector, times) - env.clock.leaseMs();
    const delayMs = this.#detector.isSuspect ? times.heartbeatMs : Math.min(times.heartbeatMs, Math.max(1, restMs));
    this.#suspectTimer = env.timers.after(delayMs, () => {
      this.#step('tick', env.clock.leaseMs());
      this.#armSuspicion();
    });
  }

  /** Once per new reason, or a dead node would fill the log. */
  #complain(reason: string): void {
    if (reason === this.#lastError || this.#isStopped) return;
    this.#lastError = reason;
    const { id, controlAddr } = this.node;
    this.#options.env.logger.warn('a node did not answer a heartbeat', { node: id, control: controlAddr, reason });
  }
}
