/**
 * A controller with everything around it in memory: virtual time, fake nodes, a fake balancer, a store whose content
 * outlives the controller. The controller can be killed before any of its effects (a store write, a command to a node, a
 * call of the balancer): from then on nothing it does reaches the world.
 */
import {
  OperationError,
  seededRandom,
  silentLogger,
  type Connector,
  type Endpoint,
  type Transport,
} from '@holdfast/base';
import { transportPair, VirtualTime } from '@holdfast/base/testing';
import { FakeBalancer } from '@holdfast/balancer/testing';
import type { BalancerDriver } from '@holdfast/balancer';
import { emptyMemory, openMemoryStore } from '@holdfast/metadata/testing';
import type { MetadataStore } from '@holdfast/metadata';
import type { ApiCall, ApiReply } from '../api.ts';
import { Controller, type ControllerEnv, type ControllerSettings } from '../controller.ts';
import { FakeNode } from './fake-node.ts';

const never = new Promise<never>(() => undefined);

/** One life of a controller process. */
class Life {
  isOver = false;
  readonly effects: string[] = [];
  readonly #dieAt: number | undefined;

  constructor(dieAt: number | undefined) {
    this.#dieAt = dieAt;
  }

  /** False when the process is dead before this effect. */
  allows(effect: string): boolean {
    if (this.effects.length === this.#dieAt) this.isOver = true;
    if (!this.isOver) this.effects.push(effect);
    return !this.isOver;
  }
}

export interface WorldOptions {
  readonly nodes: number;
  readonly settings?: Partial<ControllerSettings>;
}

export class World {
  readonly time: VirtualTime = new VirtualTime();
  readonly balancer: FakeBalancer = new FakeBalancer();
  readonly nodes: readonly FakeNode[];
  readonly #content = emptyMemory();
  readonly #settings: ControllerSettings;
  #life = new Life(undefined);
  #controller: Controller | undefined;
  /** Instants and names at which more than one node of a shard would be believed. */
  readonly violations: string[] = [];
  /** Node groups of which at most one may be believed. */
  shards: readonly (readonly FakeNode[])[] = [];

  constructor({ nodes, settings }: WorldOptions) {
    this.nodes = Array.from({ length: nodes }, (_, index) => new FakeNode(`127.0.0.1:${6661 + index}`, this.time));
    this.#settings = { leaseMs: 1000, fences: ['lb', 'lease'], ...settings };
  }

  get controller(): Controller {
    if (this.#controller === undefined) throw new Error('no controller runs');
    return this.#controller;
  }

  /** Effects of the present controller, in order. */
  get effects(): readonly string[] {
    return this.#life.effects;
  }

  /** Starts a controller on what its predecessor stored. `dieAt`: it dies before its so manieth effect. */
  async startController(dieAt?: number): Promise<void> {
    this.#life = new Life(dieAt);
    this.#controller = await Controller.start(this.#env(this.#life), this.#settings);
    await this.run(0);
  }

  /** kill -9. */
  killController(): void {
    this.#life.isOver = true;
    this.#controller = undefined;
  }

  get isControllerDead(): boolean {
    return this.#life.isOver;
  }

  /** Moves time on millisecond by millisecond and lets everything happen that can. */
  async run(ms: number): Promise<void> {
    await settle();
    for (let i = 0; i < ms; i++) {
      this.time.advance(1);
      await settle();
      this.#check();
    }
  }

  /** Runs until `condition` holds; fails after `limitMs`. Returns how long it took. */
  async until(what: string, limitMs: number, condition: () => boolean): Promise<number> {
    for (let ms = 0; ms <= limitMs; ms++) {
      if (condition()) return ms;
      await this.run(1);
    }
    throw new Error(`not within ${limitMs} ms: ${what}`);
  }

  /** Performs an API call while time goes on. */
  async call(call: ApiCall, limitMs = 5000): Promise<ApiReply> {
    let reply: ApiReply | undefined;
    void this.controller.call(call).then((done) => (reply = done));
    await this.until(call.operation, limitMs, () => reply !== undefined || this.isControllerDead);
    return reply ?? { status: 0, body: null };
  }

  #check(): void {
    for (const shard of this.shards) {
      const believed = shard.filter((node) => node.isBelieved);
      if (believed.length > 1)
        this.violations.push(`at ${this.time.leaseMs()}: ${believed.map(({ addr }) => addr).join(' and ')}`);
    }
  }

  #env(life: Life): ControllerEnv {
    const { time } = this;
    return {
      clock: time,
      timers: {
        after: (delayMs, run) => time.after(delayMs, () => (life.isOver ? undefined : run())),
        every: (periodMs, run) => time.every(periodMs, () => (life.isOver ? undefined : run())),
        soon: (run) => time.soon(() => (life.isOver ? undefined : run())),
      },
      random: seededRandom(1),
      connector: this.#connector(life),
      logger: silentLogger,
      store: mortalStore(openMemoryStore(this.#content), life),
      balancer: mortalBalancer(this.balancer, life),
    };
  }

  #connector(life: Life): Connector {
    return {
      connect: (endpoint: Endpoint): Promise<Transport> => {
        const node = this.nodes.find(({ addr }) => addr === `${endpoint.host}:${endpoint.port - 10_000}`);
        if (node === undefined || node.state === 'dead')
          return Promise.reject(new OperationError('NET_CONNECT', 'refused', { outcome: 'not-applied' }));
        const [ours, theirs] = transportPair();
        node.accept(theirs);
        return Promise.resolve(mortalTransport(ours, life));
      },
    };
  }
}

function mortalTransport(transport: Transport, life: Life): Transport {
  return {
    peer: transport.peer,
    pendingBytes: 0,
    listen: (events) => transport.listen(events),
    write: (bytes) => {
      const words = Buffer.from(bytes)
        .toString()
        .split('\r\n')
        .filter((_, index) => index === 4);
      const isHeartbeat = words[0] === 'HEARTBEAT';
      // Heartbeats go on all the time; dying between any two of them adds nothing.
      if (isHeartbeat ? life.isOver : !life.allows(words[0] ?? '')) return true;
      return transport.write(bytes);
    },
    pause: () => transport.pause(),
    resume: () => transport.resume(),
    end: () => transport.end(),
    destroy: () => transport.destroy(),
    reset: () => transport.reset(),
  };
}

function mortalStore(store: MetadataStore, life: Life): MetadataStore {
  return {
    name: store.name,
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    watch: (prefix, listener) => store.watch(prefix, listener),
    campaign: (candidate) => store.campaign(candidate),
    announce: (member, value) => store.announce(member, value),
    compareAndSet: (key, expected, value, options) => store.compareAndSet(key, expected, value, options),
    transact: (transaction) => {
      const isEvents = transaction.puts?.every(({ key }) => key.includes('/events/')) === true;
      if (isEvents) return life.isOver ? never : store.transact(transaction);
      return life.allows('transact') ? store.transact(transaction) : never;
    },
    close: () => store.close(),
  };
}

function mortalBalancer(balancer: BalancerDriver, life: Life): BalancerDriver {
  return {
    name: balancer.name,
    apply: (desired) => (life.allows('apply') ? balancer.apply(desired) : never),
    observe: () => (life.isOver ? never : balancer.observe()),
    cut: (address, backend) => (life.allows('cut') ? balancer.cut(address, backend) : never),
  };
}

/** Lets every microtask and everything it starts run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
