/**
 * Messages between machines. Two kinds, as on real networks:
 *
 * - *datagrams*: one request or one answer of a connection that may have been opened anew for it, so it can be lost,
 *   late (it lay in the buffers of a connection that its sender gave up), doubled (said again on another one) and
 *   overtaken;
 * - *streams*: what one connection carries arrives in order and once, until the connection breaks. Bytes that are
 *   already in the receiver's buffers are read after the peer is gone; that is how a frozen master meets old commands.
 *
 * A cut is one-way: from one host to another. A stream whose direction is cut is broken in that direction for good, and
 * its ends notice after a while.
 */
import type { Lane } from './machine.ts';
import type { World } from './world.ts';

const hostsMax = 32;
const quickMs = 0.7;

export class Network {
  readonly #world: World;
  readonly #names: string[] = [];
  /** How many cuts lie on the way from row to column. */
  readonly #cuts = new Uint8Array(hostsMax * hostsMax);
  /** Shares of datagrams, 0..1. */
  lossShare = 0;
  lateShare = 0;
  doubledShare = 0;

  constructor(world: World) {
    this.#world = world;
  }

  addHost(name: string): number {
    return this.#names.push(name) - 1;
  }

  nameOf(host: number): string {
    return this.#names[host] ?? '?';
  }

  get hostCount(): number {
    return this.#names.length;
  }

  cut(from: number, to: number): void {
    this.#cuts[from * hostsMax + to] = (this.#cuts[from * hostsMax + to] as number) + 1;
  }

  mend(from: number, to: number): void {
    const at = from * hostsMax + to;
    this.#cuts[at] = Math.max(0, (this.#cuts[at] as number) - 1);
  }

  heal(): void {
    this.#cuts.fill(0);
    this.lossShare = 0;
    this.lateShare = 0;
    this.doubledShare = 0;
  }

  isCut(from: number, to: number): boolean {
    return (this.#cuts[from * hostsMax + to] as number) > 0;
  }

  /** One message on a way of its own; `arrive` happens at the receiving host, never, once or twice. */
  datagram(from: number, to: number, arrive: () => void): void {
    const { dice } = this.#world;
    if (this.isCut(from, to)) return;
    if (this.lossShare > 0 && dice.chance(this.lossShare)) return;
    this.#post(arrive);
    if (this.doubledShare > 0 && dice.chance(this.doubledShare)) this.#post(arrive);
  }

  #post(arrive: () => void): void {
    const { dice, nowMs } = this.#world;
    const isLate = this.lateShare > 0 && dice.chance(this.lateShare);
    const delayMs = isLate ? dice.between(2, 1800) : dice.between(0.1, quickMs);
    this.#world.at(nowMs + delayMs, arrive);
  }

  /** A delay of one hop. */
  hopMs(): number {
    return this.#world.dice.between(0.1, quickMs);
  }
}

/** One end of a stream. */
export interface StreamEnd {
  readonly lane: Lane;
  /** The connection is gone; `isReset`: the peer's process or machine is, or it said so. Once. */
  onClose(isReset: boolean): void;
}

/** A connection between two threads, `ends[0]` being the one that opened it. */
export class Stream {
  readonly #world: World;
  readonly #ends: readonly [StreamEnd, StreamEnd];
  readonly #isOpen: [boolean, boolean] = [true, true];
  readonly #isBroken: [boolean, boolean] = [false, false];
  readonly #lastDueMs: [number, number] = [0, 0];
  #isDoomed = false;

  constructor(world: World, opener: StreamEnd, acceptor: StreamEnd) {
    this.#world = world;
    this.#ends = [opener, acceptor];
  }

  /** Whether this end was closed neither here nor by what was heard. */
  isOpen(end: 0 | 1): boolean {
    return this.#isOpen[end];
  }

  /** Sends from `end`; what the other end gets after it closed itself is dropped. */
  send(end: 0 | 1, run: () => void): void {
    const to = (1 - end) as 0 | 1;
    const lane = this.#ends[to].lane;
    if (!this.#isOpen[end] || !this.#passes(end)) return;
    this.#arrive(end, () => lane.deliver(() => this.#isOpen[to] && run(), this));
  }

  #passes(end: 0 | 1): boolean {
    if (this.#isBroken[end]) return false;
    const [from, to] = [this.#ends[end].lane.machine.host, this.#ends[1 - end]?.lane.machine.host ?? 0];
    if (!this.#world.network.isCut(from, to)) return true;
    this.#isBroken[end] = true;
    this.#doom();
    return false;
  }

  #arrive(end: 0 | 1, run: () => void): void {
    const { network, nowMs } = this.#world;
    const dueMs = Math.max(this.#lastDueMs[end], nowMs + network.hopMs());
    this.#lastDueMs[end] = dueMs;
    this.#world.at(dueMs, run);
  }

  /** Both ends notice some time after a direction broke. */
  #doom(): void {
    if (this.#isDoomed) return;
    this.#isDoomed = true;
    const { dice, nowMs } = this.#world;
    for (const end of [0, 1] as const)
      this.#world.at(nowMs + dice.between(100, 1500), () =>
        this.#ends[end].lane.deliver(() => this.#gone(end, false), this),
      );
  }

  #gone(end: 0 | 1, isReset: boolean): void {
    if (!this.#isOpen[end]) return;
    this.#isOpen[end] = false;
    this.#ends[end].onClose(isReset);
  }

  /** The machine of this end is gone without a word; the other end notices in time. */
  vanish(end: 0 | 1): void {
    this.#isOpen[end] = false;
    this.#isBroken[end] = true;
    this.#doom();
  }

  /** Somebody in between resets the connection: both ends get what is under way to them, then its end. */
  cutBetween(): void {
    const { nowMs, network } = this.#world;
    for (const end of [0, 1] as const) {
      const dueMs = Math.max(this.#lastDueMs[1 - end] as number, nowMs + network.hopMs());
      this.#world.at(dueMs, () => this.#ends[end].lane.deliver(() => this.#gone(end, true), this));
    }
    this.#isBroken[0] = true;
    this.#isBroken[1] = true;
  }

  /** This end closes; the other reads what was sent and then the end of it. Own `onClose` is not called. */
  close(end: 0 | 1, isReset = false): void {
    if (!this.#isOpen[end]) return;
    this.#isOpen[end] = false;
    const to = (1 - end) as 0 | 1;
    if (!this.#passes(end)) return;
    this.#arrive(end, () => this.#ends[to].lane.deliver(() => this.#gone(to, isReset), this));
  }
}
