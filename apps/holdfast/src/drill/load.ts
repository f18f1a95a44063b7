/**
 * Load clients: they behave as applications do. Each has one connection per shard, to the shard's LB address, and sends
 * rounds of pipelined commands: a write of a shared register, a read of another one, a write of a fresh key, a read of
 * the fresh key of the round before. A lost or refused connection is opened again after a short back-off; MOVED is
 * followed. A value is never sent twice: after an unknown end the next write carries a new value. What some clients do
 * instead of that is in mix.ts.
 *
 * Direct lanes are what must not exist and does: clients that know nothing but the internal address of one node. They
 * come back to it for ever and go nowhere else, whatever it says.
 */
import { randomBelow, type Random } from '@holdfast/base';
import type { Reply } from '@holdfast/resp';
import { openConnection, type Connection, type ConnectionSettings } from './connection.ts';
import type { ShardKeys } from './keys.ts';
import type { Traffic } from './mix.ts';
import type { Actor, Deed, End, Intent, Recorder } from './recorder.ts';

const backOffFirstMs = 5;
const backOffLastMs = 100;

export interface LaneOptions {
  readonly phase: 'load' | 'direct';
  /** Name of the client, unique together with the shard. */
  readonly client: string;
  readonly shard: number;
  /** Where to open a connection when nothing better is known. */
  readonly entry: () => string;
  /** The node that alone can be at the other end, also while it does not say so. */
  readonly node?: string;
  readonly keys: ShardKeys;
  /** Time between rounds. */
  readonly paceMs: number;
  /** Asked before each round; false: it reads only. */
  readonly mayWrite: () => boolean;
  /** What it does in a round, where that is not registers. */
  readonly traffic?: Traffic;
}

export interface LoadWorld {
  readonly recorder: Recorder;
  readonly connection: ConnectionSettings;
  readonly random: Random;
  /** Resolves after about `delayMs`, at once when `signal` ends. */
  sleep(delayMs: number): Promise<void>;
  /** Ended when the load is to stop. */
  readonly signal: AbortSignal;
  /** Counts of what clients met, by name. */
  readonly counts: Map<string, number>;
}

/** Runs one client's traffic to one shard until the signal ends. Never rejects. */
export async function runLane(options: LaneOptions, world: LoadWorld): Promise<void> {
  const lane = new Lane(options, world);
  await lane.run();
}

class Lane {
  readonly #options: LaneOptions;
  readonly #world: LoadWorld;
  #address: string;
  #connection: Connection | undefined;
  #backOffMs = backOffFirstMs;
  #round = 0;
  #lastFreshKey: string | undefined;

  constructor(options: LaneOptions, world: LoadWorld) {
    this.#options = options;
    this.#world = world;
    this.#address = options.entry();
  }

  async run(): Promise<void> {
    const { signal, sleep, random } = this.#world;
    // A direct lane may wait for a reply for longer than anybody waits for the lane.
    if (this.#options.phase === 'direct') signal.addEventListener('abort', () => this.#connection?.client.close());
    while (!signal.aborted) {
      const connection = await this.#connect();
      if (connection === undefined) {
        await this.#backOff();
        continue;
      }
      const ends = await this.#playRound(connection);
      if (ends.every((end) => end.kind === 'reply')) {
        this.#backOffMs = backOffFirstMs;
        const { paceMs } = this.#options;
        await sleep(paceMs / 2 + randomBelow(random, 1 + paceMs));
      } else {
        this.#afterTrouble(ends);
        await this.#backOff();
      }
    }
    this.#connection?.client.close();
  }

  /** Longer each time, and uneven: clients that lost their master together do not come back in step. */
  async #backOff(): Promise<void> {
    const { sleep, random } = this.#world;
    await sleep(this.#backOffMs / 2 + randomBelow(random, 1 + this.#backOffMs));
    this.#backOffMs = Math.min(this.#backOffMs * 2, backOffLastMs);
  }

  async #connect(): Promise<Connection | undefined> {
    if (this.#connection?.client.isOpen === true) return this.#connection;
    try {
      this.#connection = await openConnection(this.#address, this.#world.connection);
      this.#count('connections opened');
      return this.#connection;
    } catch {
      this.#count('connections refused');
      this.#address = this.#options.entry();
      return undefined;
    }
  }

  #playRound(connection: Connection): Promise<readonly End[]> {
    const { client, keys, mayWrite, traffic } = this.#options;
    const { random } = this.#world;
    const round = this.#round++;
    if (traffic !== undefined) {
      const actBy = (key: string, deed: Deed, send: () => Promise<Reply>): Promise<End> =>
        this.#world.recorder.recordDeed(this.#actor(connection, key), deed, send, () => this.#nodeAt(connection));
      return traffic({
        ...{ connection, round, client, keys, mayWrite: mayWrite(), actBy },
        act: (key, deed) => actBy(key, deed, () => connection.client.command(...deed.args)),
      });
    }
    const register = (): string => keys.registers[randomBelow(random, keys.registers.length)] ?? '';
    if (!mayWrite()) return Promise.all([this.#play(connection, register()), this.#play(connection, register())]);
    const freshKey = keys.fresh(`${client}:${round}`);
    const previous = this.#lastFreshKey;
    const ends = [
      this.#play(connection, register(), `${client}-${round}-r`),
      this.#play(connection, register()),
      this.#play(connection, freshKey, `${client}-${round}-f`),
    ];
    if (previous !== undefined) ends.push(this.#play(connection, previous));
    this.#lastFreshKey = freshKey;
    return Promise.all(ends);
  }

  #play(connection: Connection, key: string, value?: string): Promise<End> {
    const actor = this.#actor(connection, key);
    const intent: Intent = value === undefined ? actor : { ...actor, value };
    const args = value === undefined ? ['GET', key] : ['SET', key, value];
    const send = (): Promise<Reply> => connection.client.command(...args);
    return this.#world.recorder.record(intent, send, () => this.#nodeAt(connection));
  }

  #actor({ address }: Connection, key: string): Actor {
    const { client, phase, shard } = this.#options;
    return { client, phase, shard, address, key };
  }

  #nodeAt(connection: Connection): string | null {
    return connection.node() ?? this.#options.node ?? null;
  }

  /**
   * As cluster clients do: follows MOVED, gives up a connection whose node refuses, and after no answer looks anew where
   * the shard is (a node that stands still still takes connections). A direct lane stays where it is.
   */
  #afterTrouble(ends: readonly End[]): void {
    if (ends.some((end) => end.kind === 'unknown')) this.#address = this.#options.entry();
    for (const end of ends) {
      if (end.kind === 'reply') continue;
      const code = end.kind === 'refused' ? (end.message.split(' ')[0] ?? '') : end.kind;
      this.#count(`operations ${end.kind}${end.kind === 'refused' ? ` ${code}` : ''}`);
      if (code === 'MOVED' && this.#options.phase === 'load')
        this.#address = end.message.split(' ')[2] ?? this.#options.entry();
    }
    if (this.#options.phase === 'direct' && this.#connection?.client.isOpen === true) return;
    this.#connection?.client.close();
    this.#connection = undefined;
  }

  #count(name: string): void {
    const { counts } = this.#world;
    const counter = this.#options.phase === 'direct' ? `direct ${name}` : name;
    counts.set(counter, (counts.get(counter) ?? 0) + 1);
  }
}
