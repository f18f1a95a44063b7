/**
 * Controllers with everything around them in memory: virtual time, fake nodes, a fake balancer, a store whose content
 * outlives them. Either there is one controller with a store of its own, or several share one.
 */
import { OperationError, seededRandom, silentLogger, type Connector, type Endpoint } from '@holdfast/base';
import { transportPair, VirtualTime } from '@holdfast/base/testing';
import { FakeBalancer } from '@holdfast/balancer/testing';
import { emptyMemory, openMemoryStore } from '@holdfast/metadata/testing';
import type { MetadataStore } from '@holdfast/metadata';
import type { ApiCall, ApiReply } from '../api.ts';
import { Controller, type ControllerEnv, type ControllerSettings } from '../controller.ts';
import { FakeNode } from './fake-node.ts';
import { Life, mortalBalancer, mortalTimers, mortalTransport, type Fate } from './life.ts';
import { SharedStore } from './shared-store.ts';

export interface WorldOptions {
  readonly nodes: number;
  readonly settings?: Partial<ControllerSettings>;
}

interface Running {
  readonly life: Life;
  readonly controller: Controller;
}

export class World {
  readonly time: VirtualTime = new VirtualTime();
  readonly balancer: FakeBalancer = new FakeBalancer();
  readonly nodes: readonly FakeNode[];
  readonly shared: SharedStore;
  readonly #content = emptyMemory();
  readonly #settings: Omit<ControllerSettings, 'self'>;
  readonly #running = new Map<string, Running>();
  /** Instants and names at which more than one node of a shard would be believed. */
  readonly violations: string[] = [];
  /** Node groups of which at most one may be believed. */
  shards: readonly (readonly FakeNode[])[] = [];
  /** Pairs of a controller's name and a node's address between which nothing passes. */
  readonly cut: Set<string> = new Set();

  constructor({ nodes, settings }: WorldOptions) {
    this.nodes = Array.from({ length: nodes }, (_, index) => new FakeNode(`127.0.0.1:${6661 + index}`, this.time));
    this.balancer.silenceOf = (backend) => this.#silenceAtBalancer(backend);
    this.#settings = { leaseMs: 1000, fences: ['lb', 'lease'], replication: 'async', ...settings };
    this.shared = new SharedStore(openMemoryStore(emptyMemory()), this.time);
  }

  /** Addresses of nodes whose answers do not reach the balancer, and the lease clock since when. */
  readonly unreachedSince: Map<string, number> = new Map();

  /** From now on nothing passes between the balancer and these nodes. */
  cutFromBalancer(...nodes: readonly FakeNode[]): void {
    for (const { addr } of nodes) this.unreachedSince.set(addr, this.time.leaseMs());
  }

  /** A node that answers has done so within half a period. */
  #silenceAtBalancer(backend: string): number {
    const ownSinceMs = this.nodes.find(({ addr }) => addr === backend)?.silentSinceMs;
    const sinceMs = Math.min(ownSinceMs ?? Infinity, this.unreachedSince.get(backend) ?? Infinity);
    return Math.max(50, this.time.leaseMs() - sinceMs);
  }

  /** The controller that leads, or the only one. */
  get controller(): Controller {
    const living = [...this.#running.values()].filter(({ life }) => !life.isOver && !life.isPaused);
    const leading = living.find(({ controller }) => controller.term !== undefined) ?? living[0];
    if (leading === undefined) throw new Error('no controller runs');
    return leading.controller;
  }

  /** Name of the controller that leads; undefined while none does. */
  get leader(): string | undefined {
    const living = [...this.#running].filter(([, { life }]) => !life.isOver && !life.isPaused);
    return living.find(([, { controller }]) => controller.term !== undefined)?.[0];
  }

  life(name = 'only'): Life {
    const running = this.#running.get(name);
    if (running === undefined) throw new Error(`no controller ${name}`);
    return running.life;
  }

  controllerOf(name: string): Controller {
    const running = this.#running.get(name);
    if (running === undefined) throw new Error(`no controller ${name}`);
    return running.controller;
  }

  /** Effects of the only controller, in order. */
  get effects(): readonly string[] {
    return this.life().effects;
  }

  /** Starts the only controller on what its predecessor stored. `dieAt`: it dies before its so manieth effect. */
  async startController(dieAt?: number): Promise<void> {
    const self = { id: 'only', address: '', isShared: false };
    const life = new Life(dieAt === undefined ? {} : { dieAt });
    const store = ownStore(openMemoryStore(this.#content), life);
    const controller = await Controller.open(this.#env(life, store, 'only'), { self, ...this.#settings });
    await controller.join();
    this.#running.set('only', { life, controller });
    await this.run(0);
  }

  /** Starts one of several; its name is its id: 8 or more letters and digits. */
  async startShared(name: string, fate: Fate = {}): Promise<void> {
    const self = { id: name, address: `http://${name}`, isShared: true };
    const life = new Life(fate);
    const env = this.#env(life, this.shared.face(life), name);
    const controller = await Controller.open(env, { self, ...this.#settings });
    await controller.join();
    this.#running.set(name, { life, controller });
    await this.run(0);
  }

  /** kill -9 of the only controller. */
  killController(): void {
    this.life().kill();
  }

  get isControllerDead(): boolean {
    return this.life().isOver;
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

  /** Performs an API call while time goes on; status 0 when the controller dies or stands still over it. */
  async call(call: ApiCall, limitMs = 5000): Promise<ApiReply> {
    const { controller } = this;
    const life = [...this.#running.values()].find((each) => each.controller === controller)?.life;
    let reply: ApiReply | undefined;
    void controller.call(call).then((done) => (reply = done));
    const isStill = (): boolean => life === undefined || life.isOver || life.isPaused;
    await this.until(call.operation, limitMs, () => reply !== undefined || isStill());
    return reply ?? { status: 0, body: null };
  }

  #check(): void {
    for (const { contradictions } of this.nodes) this.violations.push(...contradictions.splice(0));
    for (const shard of this.shards) {
      const believed = shard.filter((node) => node.isBelieved);
      if (believed.length > 1)
        this.violations.push(`at ${this.time.leaseMs()}: ${believed.map(({ addr }) => addr).join(' and ')}`);
    }
  }

  #env(life: Life, store: MetadataStore, name: string): ControllerEnv {
    return {
      clock: this.time,
      timers: mortalTimers(this.time, life),
      random: seededRandom(1),
      connector: this.#connector(life, name),
      logger: silentLogger,
      store,
      balancer: mortalBalancer(this.balancer, life),
    };
  }

  #connector(life: Life, name: string): Connector {
    return {
      connect: (endpoint: Endpoint) => {
        const isClients = this.nodes.some(({ addr }) => addr === `${endpoint.host}:${endpoint.port}`);
        const port = isClients ? endpoint.port : endpoint.port - 10_000;
        const node = this.nodes.find(({ addr }) => addr === `${endpoint.host}:${port}`);
        if (node === undefined || node.state === 'dead' || this.cut.has(`${name} ${node.addr}`))
          return Promise.reject(new OperationError('NET_CONNECT', 'refused', { outcome: 'not-applied' }));
        const [ours, theirs] = transportPair();
        node.accept(theirs, isClients);
        this.#links.push({ name, addr: node.addr, destroy: () => ours.destroy() });
        return Promise.resolve(mortalTransport(ours, life));
      },
    };
  }

  readonly #links: { readonly name: string; readonly addr: string; destroy(): void }[] = [];

  /** From now on nothing passes between a controller and a node. */
  partition(name: string, node: FakeNode): void {
    this.cut.add(`${name} ${node.addr}`);
    for (const link of this.#links) if (link.name === name && link.addr === node.addr) link.destroy();
  }
}

/** The store of a single controller: with the process its face dies, its content stays. */
function ownStore(store: MetadataStore, life: Life): MetadataStore {
  const isEvents = (keys: readonly string[]): boolean => keys.every((key) => key.includes('/events/'));
  return {
    name: store.name,
    get: (key) => life.outcome(store.get(key)),
    list: (prefix) => life.outcome(store.list(prefix)),
    watch: (prefix, listener) => store.watch(prefix, (change) => life.when(() => listener(change))),
    campaign: (candidate) => life.outcome(store.campaign(candidate)),
    announce: (member, value) => life.outcome(store.announce(member, value)),
    compareAndSet: (key, expected, value, options) =>
      life.perform('transact', () => store.compareAndSet(key, expected, value, options)),
    transact: (transaction) => {
      const run = (): ReturnType<MetadataStore['transact']> => store.transact(transaction);
      if (!isEvents((transaction.puts ?? []).map(({ key }) => key))) return life.perform('transact', run);
      return new Promise((resolve, reject) => life.when(() => void life.outcome(run()).then(resolve, reject)));
    },
    close: () => store.close(),
  };
}

/** Lets every microtask and everything it starts run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
