/**
 * A client: one connection, up to a few commands open on it, every end of every command recorded. It reaches the master
 * by the balancer, or (as an old connection pool or an attacker would) always the same node directly, or a replica with
 * READONLY, whose answers may be old and are not judged.
 */
import { judgeable, type History } from './history.ts';
import { Lane, type Machine } from './machine.ts';
import { Stream, type StreamEnd } from './network.ts';
import type { Entry } from './node-disk.ts';
import { ServerConnection, type ClientEnd, type Command, type Reply } from './server-connection.ts';
import { groupOfSlot } from './sim-topology.ts';
import { slotOf } from '@holdfast/topology';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

export interface ClientHabits {
  readonly name: string;
  readonly keys: readonly string[];
  readonly writeShare: number;
  readonly depth: number;
  readonly thinkMs: number;
  /** Always this node, whoever it is; undefined: by the balancer. */
  readonly direct: SimNode | undefined;
  readonly isReadonly: boolean;
}

interface OpenCommand {
  readonly command: Command;
  readonly shard: number;
  readonly invokedMs: number;
  readonly atLeast: Entry | undefined;
}

let commandId = 0;

export class Client implements ClientEnd, StreamEnd {
  readonly lane: Lane;
  readonly habits: ClientHabits;
  readonly #world: World;
  readonly #history: History;
  #stream: Stream | undefined;
  #connection: ServerConnection | undefined;
  #target: SimNode | undefined;
  readonly #open = new Map<number, OpenCommand>();
  #written = 0;
  #isStopped = false;
  #writesMore = false;

  constructor(
    world: World,
    { machine, history, habits }: { machine: Machine; history: History; habits: ClientHabits },
  ) {
    this.#world = world;
    this.lane = new Lane(world, machine);
    this.#history = history;
    this.habits = habits;
    this.#next();
  }

  /** There must be something to lose at the beginning, and recovery is measured by writes. */
  writeMore(isWanted: boolean): void {
    this.#writesMore = isWanted;
  }

  /** Nothing new is asked. */
  stop(): void {
    this.#isStopped = true;
  }

  #next(): void {
    const { dice } = this.#world;
    this.lane.after(dice.between(0.2, 2) * this.habits.thinkMs, () => {
      if (this.#isStopped) return;
      this.#act();
      this.#next();
    });
  }

  #act(): void {
    const { dice } = this.#world;
    if (this.#open.size >= this.habits.depth) return;
    const base = dice.pick(this.habits.keys);
    const { owners, shards } = this.#world.cluster.store.state;
    const owner = owners[groupOfSlot(slotOf(Buffer.from(base)))] ?? 0;
    // Some follow a redirection too early or too late.
    const shard = shards.length > 1 && dice.chance(0.1) ? 1 - owner : owner;
    if (this.#stream?.isOpen(0) !== true) return this.#connect(shard);
    // One connection leads to one shard's address.
    if (this.habits.direct === undefined && this.#target?.shard !== shard) {
      if (this.#open.size === 0) this.#leave();
      return;
    }
    this.#send(base, shard);
  }

  #connect(shard: number): void {
    const { network, cluster } = this.#world;
    const host = cluster.balancer.backendOf(shard);
    const target = this.habits.direct ?? cluster.nodes.find(({ machine }) => machine.host === host);
    const process = target?.process;
    if (target === undefined || process === undefined) return;
    if (network.isCut(this.lane.machine.host, target.machine.host)) return;
    const connection = new ServerConnection(process, this);
    const stream = new Stream(this.#world, this, connection);
    this.#target = target;
    this.#connection = connection;
    this.#stream = stream;
    if (this.habits.direct === undefined) cluster.balancer.opened(stream, target.machine.host);
    stream.send(0, () => connection.accepted(stream));
  }

  #send(key: string, shard: number): void {
    const { dice, nowMs, judge } = this.#world;
    const share = this.#writesMore ? Math.max(0.4, this.habits.writeShare) : this.habits.writeShare;
    const isWrite = !this.habits.isReadonly && dice.chance(share);
    const command: Command = {
      id: ++commandId,
      kind: isWrite ? 'set' : dice.chance(0.02) ? 'ping' : 'get',
      isKeyless: dice.chance(0.15),
      isReadonly: this.habits.isReadonly,
      key,
      value: isWrite ? `${this.habits.name}:${++this.#written}` : '',
    };
    this.#open.set(command.id, { command, shard, invokedMs: nowMs, atLeast: judge.toldOf(key) });
    const connection = this.#connection;
    this.#stream?.send(0, () => connection?.receive(command));
    this.lane.after(dice.between(300, 2500), () => {
      if (this.#open.has(command.id)) this.#leave();
    });
  }

  onReply({ command, kind, entry }: Reply): void {
    const open = this.#open.get(command.id);
    if (open === undefined) return;
    this.#open.delete(command.id);
    if (kind === 'moved') {
      this.#record(open, 'failed', undefined);
      return this.#leave();
    }
    if (kind === 'error') return this.#record(open, 'failed', undefined);
    this.#record(open, 'ok', entry);
    if (kind !== 'value' || this.habits.isReadonly) return;
    if (command.kind === 'get') this.#world.judge.sawRead(command.key, entry, open.atLeast);
    else if (entry !== undefined) this.#world.judge.told(entry);
  }

  #record(open: OpenCommand, outcome: 'ok' | 'failed' | 'unknown', entry: Entry | undefined): void {
    const { command, shard, invokedMs } = open;
    if (command.kind === 'ping' || !judgeable(command)) return;
    this.#history.add({
      client: this.habits.name,
      key: command.key,
      value: command.kind === 'set' ? command.value : (entry?.value ?? null),
      isWrite: command.kind === 'set',
      shard,
      invokedMs,
      completedMs: outcome === 'unknown' ? null : this.#world.nowMs,
      outcome,
      node: this.#target?.name ?? null,
    });
  }

  /** Gives the connection up: what is open on it has an unknown outcome. */
  #leave(): void {
    const stream = this.#stream;
    if (stream !== undefined) {
      this.#world.cluster.balancer.closed(stream);
      stream.close(0);
    }
    this.onClose();
  }

  /** Whatever is open at the end of the run stays without an answer. */
  finish(): void {
    this.#isStopped = true;
    for (const open of this.#open.values()) this.#record(open, 'unknown', undefined);
    this.#open.clear();
  }

  onClose(): void {
    for (const open of this.#open.values()) this.#record(open, 'unknown', undefined);
    this.#open.clear();
    this.#stream = undefined;
    this.#connection = undefined;
  }
}
