/**
 * A cluster of sockets in this process, small enough to be right by reading, that can be told to be wrong: the drill's
 * harness must call the good one good and name what each bad one does. One shard, two nodes, one LB address; a few
 * controllers and an etcd that are names only.
 *
 * One rule decides: a master that the controllers, or the balancer, do not reach for the length of a lease, or that cannot
 * write, is replaced by the other node if that is reached. A replaced master is fenced, and is a replica when it is
 * reached again.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { tcpConnector } from '@holdfast/base/real';
import { RequestDecoder } from '@holdfast/resp';
import type { ClusterEvent, ClusterView, DrillCluster, HostFaults, NodeView, ShardView } from '../cluster.ts';
import { FakeNode } from './fake-node.ts';

export type Fault =
  /** The old master executes and acknowledges what lay in its buffers, and its connections are not cut. */
  | 'no-fence'
  /** The last acknowledged writes before the stop do not reach the replica. */
  | 'replica-lags'
  /** What the woken master applies reaches the new master, although nobody acknowledges it. */
  | 'late-writes-replicate'
  /** The old master keeps what it applied although it is a replica now. */
  | 'old-master-diverges'
  /** Nobody takes over. */
  | 'no-failover'
  /** A killed node comes back without what it wrote last. */
  | 'kill-loses-writes'
  /** Anything unusual is taken for the death of the master. */
  | 'eager-failover'
  /** The master waits for a replica that does not answer, for ever. */
  | 'replica-waited-for'
  /** Some connections that come after all were cut are never served. */
  | 'clients-stranded'
  /** Writes are refused while the store of the controllers stands still. */
  | 'store-needed'
  /** A leader that wakes up makes its old master master again, without what was written since. */
  | 'zombie-believed'
  /** A master whose disk is full acknowledges what it cannot keep. */
  | 'false-ok'
  /** Some time after its promotion a master names the former one. */
  | 'topology-goes-back'
  /** For a moment after a planned switchover writes are refused. */
  | 'switchover-refuses';

const leaseMs = 150;
const tickMs = 5;
const demoteAfterMs = 100;
const refusedAfterSwitchoverMs = 60;
const diskFull = 'MISCONF the disk is full';

export interface FakeClusterOptions {
  readonly controllers?: 1 | 3;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly backend: FakeNode;
}

export class FakeCluster implements DrillCluster {
  readonly controllers: readonly string[];
  readonly hosts: HostFaults;
  readonly #faults: ReadonlySet<Fault>;
  readonly #a = new FakeNode('a'.repeat(40), 'node-1');
  readonly #b = new FakeNode('b'.repeat(40), 'node-2');
  readonly #lb: Server;
  readonly #pairs = new Set<Pair>();
  readonly #events: ClusterEvent[] = [];
  /** Writes on their way to the replica. */
  readonly #lag: (() => void)[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** `from to` of links that are cut. */
  readonly #cuts = new Set<string>();
  /** Places that are stopped and are no nodes. */
  readonly #stopped = new Set<string>();
  /** Keys the woken master applied and must not have. */
  readonly #lateWrites = new Map<string, string>();
  #master: FakeNode = this.#a;
  #epoch = 1;
  #leader: string | undefined;
  #troubleSinceMs: number | undefined;
  #isReplicaWell = true;
  #wasStormy = false;
  #accepted = 0;
  #demoting = false;

  constructor(faults: readonly Fault[], { controllers = 1 }: FakeClusterOptions = {}) {
    this.#faults = new Set(faults);
    this.controllers = controllers === 1 ? ['controller'] : ['controller-1', 'controller-2', 'controller-3'];
    this.#leader = this.controllers[0];
    this.#a.role = 'master';
    this.#lb = createServer((socket) => this.#proxy(socket));
    for (const node of [this.#a, this.#b]) node.onWrite = (key, value): void => this.#replicate(node, key, value);
    this.hosts = this.#hostFaults();
  }

  async start(): Promise<void> {
    for (const server of [this.#a.server, this.#b.server, this.#a.inside, this.#b.inside, this.#lb])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    for (const node of [this.#a, this.#b]) {
      node.movedTo = this.#lbAddress;
      node.masterId = this.#a.id;
      node.followed = (): string => this.#master.address;
    }
    this.#timers.add(setInterval(() => this.#tick(), tickMs));
  }

  get #lbAddress(): string {
    return `127.0.0.1:${(this.#lb.address() as AddressInfo).port}`;
  }

  get #replica(): FakeNode {
    return this.#master === this.#a ? this.#b : this.#a;
  }

  view(): Promise<ClusterView> {
    const nodes = [this.#a, this.#b].map((node): NodeView => {
      const role = node === this.#master ? 'master' : 'slave';
      const isInSync = node === this.#master || (this.#isReplicaWell && node.role === 'slave');
      return { id: node.id, address: node.address, role, isAlive: this.#isReached(node), sequence: 7, isInSync };
    });
    const phase = this.#troubleSinceMs === undefined ? 'stable' : 'failover';
    const { index, lbAddress, epoch } = { index: 0, lbAddress: this.#lbAddress, epoch: this.#epoch };
    const shard: ShardView = { index, epoch, phase, lbAddress, slotRanges: [[0, 16383]], nodes };
    return Promise.resolve({ leaseMs, shards: [shard] });
  }

  events(after: number): Promise<readonly ClusterEvent[]> {
    return Promise.resolve(this.#events.filter(({ id }) => id > after));
  }

  leader(): Promise<string | undefined> {
    return Promise.resolve(this.#leader);
  }

  placeOf(nodeId: string): string {
    return nodeId === this.#a.id ? this.#a.place : this.#b.place;
  }

  entryOf({ lbAddress }: ShardView): string {
    return lbAddress;
  }

  switchOver(): Promise<void> {
    const old = this.#master;
    this.#lag.length = 0;
    this.#promote(this.#replica, 'resigned');
    if (this.#faults.has('switchover-refuses')) {
      const promoted = this.#master;
      promoted.refusal = 'CLUSTERDOWN switching over';
      this.#after(refusedAfterSwitchoverMs, () => (promoted.refusal = undefined));
    }
    old.role = 'slave';
    old.isLeft = true;
    this.#copyTo(old);
    return Promise.resolve();
  }

  cutClients(): Promise<number> {
    const cut = this.#pairs.size;
    this.#cutPairs();
    this.#wasStormy = true;
    return Promise.resolve(cut);
  }

  suspend(place: string): Promise<void> {
    const node = this.#nodeAt(place);
    if (node === this.#master) this.#lag.length = 0;
    if (node !== undefined) node.stop('suspended');
    else this.#stopped.add(place);
    if (place === 'etcd' && this.#faults.has('store-needed')) this.#master.refusal = 'CLUSTERDOWN no store';
    if (place === this.#leader) this.#electAnother();
    return Promise.resolve();
  }

  resume(place: string): void {
    const node = this.#nodeAt(place);
    if (node === undefined) {
      this.#stopped.delete(place);
      if (place === 'etcd') this.#master.refusal = undefined;
      else if (this.#faults.has('zombie-believed')) this.#promote(this.#replica, 'lease-ended');
      return;
    }
    if (this.#faults.has('late-writes-replicate') && node !== this.#master)
      this.#lateWrites.forEach((value, key) => this.#master.store.set(key, value));
    node.go('suspended');
  }

  /** A node is back at once, without its connections; so is a controller. */
  kill(place: string): boolean {
    const killed = this.#nodeAt(place);
    if (killed === undefined) {
      if (place === this.#leader) this.#electAnother();
      return true;
    }
    killed.closeClients();
    if (this.#faults.has('kill-loses-writes')) {
      for (const key of [...killed.store.keys()].slice(-5)) killed.store.delete(key);
      if (killed === this.#master) this.#copyTo(this.#replica);
    }
    return true;
  }

  close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const { client, upstream } of this.#pairs) for (const socket of [client, upstream]) socket.destroy();
    for (const node of [this.#a, this.#b]) node.close();
    this.#lb.close();
    return Promise.resolve();
  }

  #hostFaults(): HostFaults {
    const nodeAt = (place: string): FakeNode => {
      const node = this.#nodeAt(place);
      if (node === undefined) throw new RangeError(`no node at ${place}`);
      return node;
    };
    return {
      cutLink: (from, to) => {
        this.#cuts.add(`${from} ${to}`);
        this.#stopPairs();
      },
      healLink: (from, to) => {
        this.#cuts.delete(`${from} ${to}`);
        this.#stopPairs();
      },
      setInterface: (place, state) => {
        if (state === 'down') nodeAt(place).stop('unreachable');
        else nodeAt(place).go('unreachable');
      },
      fillDisk: (place) => {
        nodeAt(place).refusal = diskFull;
        nodeAt(place).forgets = this.#faults.has('false-ok');
        return Promise.resolve();
      },
      freeDisk: (place) => {
        nodeAt(place).refusal = undefined;
        return Promise.resolve();
      },
      inside: (place) => {
        const { port } = nodeAt(place).inside.address() as AddressInfo;
        const { connect: open } = tcpConnector;
        return Promise.resolve({ connect: (_, options) => open({ host: '127.0.0.1', port }, options) });
      },
    };
  }

  #nodeAt(place: string): FakeNode | undefined {
    return [this.#a, this.#b].find((node) => node.place === place);
  }

  #isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from} ${to}`) || this.#cuts.has(`${to} ${from}`);
  }

  /** By most controllers. */
  #isReached(node: FakeNode): boolean {
    if (node.is('suspended') || node.is('unreachable')) return false;
    return this.controllers.filter((place) => this.#isCut(place, node.place)).length * 2 < this.controllers.length;
  }

  #tick(): void {
    const [master, replica] = [this.#master, this.#replica];
    const isLinked = !this.#isCut(master.place, replica.place);
    const isWell = isLinked && replica.role === 'slave' && this.#isReached(replica) && !replica.is('stalled');
    if (isWell !== this.#isReplicaWell) this.#replicaChanged(isWell);
    if (replica.role === 'master' && this.#isReached(replica)) this.#demote(replica);
    const isUseless = !this.#isReached(master) || this.#isCut('lb', master.place);
    const isUnusual = this.#stopped.size > 0 || !isWell || master.is('stalled') || this.#wasStormy;
    const isTrouble = isUseless || master.refusal === diskFull || (this.#faults.has('eager-failover') && isUnusual);
    if (!isTrouble || this.#faults.has('no-failover')) {
      this.#troubleSinceMs = undefined;
      return;
    }
    if (this.#troubleSinceMs === undefined) this.#say('master-suspected');
    this.#troubleSinceMs ??= performance.now();
    if (performance.now() - this.#troubleSinceMs >= leaseMs) this.#failOver();
  }

  #replicaChanged(isWell: boolean): void {
    this.#isReplicaWell = isWell;
    this.#say(isWell ? 'isr-expanded' : 'isr-shrunk');
    if (isWell && this.#replica.role === 'slave') this.#copyTo(this.#replica);
    if (!this.#faults.has('replica-waited-for')) return;
    if (isWell) this.#master.go('stalled');
    else this.#master.stop('stalled');
  }

  #failOver(): void {
    const old = this.#master;
    this.#wasStormy = false;
    this.#promote(this.#replica, 'lease-ended');
    if (this.#faults.has('no-fence')) return;
    old.fence();
    this.#cutPairs();
  }

  #promote(node: FakeNode, fence: 'resigned' | 'lease-ended'): void {
    this.#troubleSinceMs = undefined;
    this.#epoch++;
    this.#say(fence);
    node.role = 'master';
    node.isFenced = false;
    node.isLeft = false;
    const former = this.#master;
    node.masterId = node.id;
    if (this.#faults.has('topology-goes-back')) this.#after(demoteAfterMs, () => (node.masterId = former.id));
    this.#master = node;
    this.#isReplicaWell = false;
    this.#say('promoted', `shard 0: ${node.id} is master in epoch ${this.#epoch}`);
    this.#say('lb-moved');
  }

  /** Without fences it goes on as master for a moment. */
  #demote(node: FakeNode): void {
    if (!this.#faults.has('no-fence')) return this.#makeReplica(node);
    if (this.#demoting) return;
    this.#demoting = true;
    this.#after(demoteAfterMs, () => {
      this.#demoting = false;
      if (node !== this.#master) this.#makeReplica(node);
    });
  }

  #makeReplica(node: FakeNode): void {
    node.role = 'slave';
    node.closeClients();
    node.isFenced = false;
    this.#copyTo(node);
  }

  #copyTo(node: FakeNode): void {
    node.masterId = this.#master.id;
    node.store.clear();
    this.#master.store.forEach((value, key) => node.store.set(key, value));
    if (node === this.#replica && this.#faults.has('old-master-diverges'))
      this.#lateWrites.forEach((value, key) => node.store.set(key, value));
  }

  #electAnother(): void {
    this.#leader = undefined;
    this.#after(leaseMs, () => {
      this.#leader = this.controllers.find((place) => !this.#stopped.has(place));
      this.#say('leader-elected');
    });
  }

  #after(delayMs: number, run: () => void): void {
    this.#timers.add(setTimeout(run, delayMs));
  }

  #say(kind: string, message = kind): void {
    const id = this.#events.length + 1;
    this.#events.push({ id, wallMs: Date.now(), kind, shard: 0, epoch: this.#epoch, message });
  }

  #replicate(from: FakeNode, key: string, value: string): void {
    const to = this.#replica;
    if (from !== this.#master || to.role === 'master' || !this.#isReplicaWell) return;
    this.#lag.push(() => void to.store.set(key, value));
    const kept = this.#faults.has('replica-lags') && this.#epoch === 1 ? 40 : 0;
    while (this.#lag.length > kept) this.#lag.shift()?.();
  }

  #cutPairs(): void {
    for (const { client } of this.#pairs) client.resetAndDestroy();
  }

  #stopPairs(): void {
    for (const { client, upstream, backend } of this.#pairs)
      for (const socket of [client, upstream]) {
        if (this.#isCut('lb', backend.place)) socket.pause();
        else socket.resume();
      }
  }

  /** Bytes for a suspended node are kept by its paused socket, as the kernel does; a scan of them knows the late writes. */
  #proxy(client: Socket): void {
    const backend = this.#master;
    const [host, port] = backend.address.split(':');
    const upstream = connect({ host: host ?? '', port: Number(port) });
    const decoder = new RequestDecoder();
    const { request } = decoder;
    const pair: Pair = { client, upstream, backend };
    this.#pairs.add(pair);
    for (const end of [client, upstream]) {
      end.on('error', () => undefined);
      end.on('close', () => this.#pairs.delete(pair));
    }
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    const isStranded = this.#wasStormy && this.#faults.has('clients-stranded') && this.#accepted++ % 10 === 0;
    if (isStranded) return;
    client.on('data', (chunk) => {
      decoder.push(Buffer.from(chunk));
      while (decoder.next())
        if (backend.is('suspended') && request.is(0, 'set')) this.#lateWrites.set(request.utf8(1), request.utf8(2));
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => client.write(chunk));
    this.#stopPairs();
  }
}
