/**
 * One node as one controller sees it: heartbeats, one in flight, and commands. Late answers to a request that was given
 * up are not listened to, as its connection is gone; the request itself may still arrive.
 */
import {
  formatHeartbeatArguments,
  noteLapse,
  parseHeartbeatReply,
  stepDetector,
  watchNode,
  type Detector,
  type Heartbeat,
  type HeartbeatReply,
  type Lapse,
  type NodeView,
} from '@holdfast/fencing';
import type { LeaseAnswer } from '@holdfast/node/decisions';
import type { ControlCommand } from './control-commands.ts';
import type { Lane } from './machine.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

export interface WatchHost {
  readonly lane: Lane;
  /** Called right before a heartbeat is written. */
  compose(watch: NodeWatch): Heartbeat;
  onReply(watch: NodeWatch, arrivedMs: number): void;
  onChange(watch: NodeWatch): void;
}

/** `lost`: no answer in time; the command may have been obeyed, or may yet be. */
export type CommandOutcome = LeaseAnswer | { readonly kind: 'lost' };

export class NodeWatch {
  readonly node: SimNode;
  readonly #world: World;
  readonly #host: WatchHost;
  #detector: Detector;
  reply: HeartbeatReply | undefined;
  repliedMs: number | undefined;
  #inFlight = 0;
  #sentMs = -Infinity;
  #number = 0;
  #isAgainWanted = false;
  #attachedMs: number | undefined;
  #lapse: Lapse | undefined;
  /** A push of records is under way. */
  isBusy = false;

  constructor(world: World, host: WatchHost, node: SimNode) {
    this.#world = world;
    this.#host = host;
    this.node = node;
    this.#detector = watchNode(this.#nowMs);
  }

  get #nowMs(): number {
    return this.#host.lane.machine.leaseMs();
  }

  get isSuspect(): boolean {
    return this.#detector.isSuspect;
  }

  get heardMs(): number {
    return this.#detector.heardMs;
  }

  view(sinceMs: number): NodeView {
    return {
      nodeId: this.node.id,
      isSuspect: this.#detector.isSuspect,
      reply: this.reply,
      wasAttached: this.#attachedMs !== undefined && this.#attachedMs >= sinceMs,
      lapsedForMs: this.#lapse === undefined ? 0 : (this.repliedMs ?? 0) - this.#lapse.sinceMs,
    };
  }

  /** Every heartbeat interval. */
  tick(): void {
    this.#step('tick');
    if (this.#inFlight !== 0 && this.#nowMs < this.#sentMs + this.#world.cluster.times.leaseMs) return;
    this.#beat();
  }

  /** A heartbeat at once, after the one in flight if there is one. */
  beatNow(): void {
    if (this.#inFlight !== 0) this.#isAgainWanted = true;
    else this.#beat();
  }

  #beat(): void {
    const { network } = this.#world;
    const number = ++this.#number;
    this.#inFlight = number;
    this.#sentMs = this.#nowMs;
    const args = formatHeartbeatArguments(this.#host.compose(this));
    const [here, there] = [this.#host.lane.machine.host, this.node.machine.host];
    network.datagram(here, there, () => {
      const process = this.node.process;
      process?.control.deliver(() =>
        process.heartbeat(args, (text) =>
          network.datagram(there, here, () => this.#host.lane.deliver(() => this.#receive(number, text))),
        ),
      );
    });
  }

  #receive(number: number, text: string): void {
    if (this.#inFlight !== number) return;
    this.#inFlight = 0;
    const arrivedMs = this.#nowMs;
    const reply = parseHeartbeatReply(text);
    if (reply === undefined) return;
    this.reply = reply;
    this.repliedMs = arrivedMs;
    this.#lapse = noteLapse(this.#lapse, reply, arrivedMs);
    if (reply.role === 'master' || reply.masterLinkStatus === 'up') this.#attachedMs = arrivedMs;
    this.#step('reply');
    this.#host.onReply(this, arrivedMs);
    if (this.#isAgainWanted) {
      this.#isAgainWanted = false;
      this.beatNow();
    }
  }

  #step(kind: 'reply' | 'tick'): void {
    const { detector, effect } = stepDetector(
      this.#detector,
      { kind },
      { nowMs: this.#nowMs, times: this.#world.cluster.times },
    );
    this.#detector = detector;
    if (effect !== undefined) this.#host.onChange(this);
  }

  /** A command; `done` is called once. */
  command(command: ControlCommand, timeoutMs: number, done: (outcome: CommandOutcome) => void): void {
    const { network } = this.#world;
    const { lane } = this.#host;
    let isDone = false;
    const finish = (outcome: CommandOutcome): void => {
      if (isDone) return;
      isDone = true;
      timer.cancel();
      done(outcome);
    };
    const timer = lane.after(timeoutMs, () => finish({ kind: 'lost' }));
    const [here, there] = [lane.machine.host, this.node.machine.host];
    const answer = (reply: LeaseAnswer): void => network.datagram(there, here, () => lane.deliver(() => finish(reply)));
    network.datagram(here, there, () => {
      const process = this.node.process;
      process?.control.deliver(() => process.main.deliver(() => process.command(command, answer)));
    });
  }
}
