/**
 * A cluster of sockets in this process, small enough to be right by reading, that can be told to be wrong: the drill's
 * harness must call the good one good and name what each bad one does. One shard, two nodes, one LB address.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { RequestDecoder, ReplyWriter, type Request } from '@holdfast/resp';
import type { ClusterEvent, ClusterView, DrillCluster, NodeView, ShardView } from '../cluster.ts';

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
  | 'kill-loses-writes';

const leaseMs = 150;

class FakeNode {
  readonly id: string;
  readonly store = new Map<string, string>();
  readonly sockets = new Set<Socket>();
  readonly server: Server;
  role: 'master' | 'slave' = 'slave';
  suspended = false;
  /** Called for each write it executes as a master. */
  onWrite: (key: string, value: string) => void = () => undefined;

  constructor(id: string) {
    this.id = id;
    this.server = createServer((socket) => this.#accept(socket));
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  suspend(): void {
    this.suspended = true;
    for (const socket of this.sockets) socket.pause();
  }

  resume(): void {
    this.suspended = false;
    for (const socket of this.sockets) socket.resume();
  }

  #accept(socket: Socket): void {
    this.sockets.add(socket);
    if (this.suspended) socket.pause();
    const decoder = new RequestDecoder();
    const replies = new ReplyWriter();
    const session = { readonly: false };
    socket.on('data', (chunk) => {
      decoder.push(chunk);
      while (decoder.next()) this.#execute(decoder.request, replies, session);
      if (replies.length > 0) socket.write(replies.take());
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
  }

  #execute(request: Request, replies: ReplyWriter, session: { readonly: boolean }): void {
    const key = request.count > 1 ? request.utf8(1) : '';
    if (request.is(0, 'cluster')) replies.bulkText(this.id);
    else if (request.is(0, 'readonly')) {
      session.readonly = true;
      replies.ok();
    } else if (request.is(0, 'role')) {
      replies.array(1);
      replies.bulkText(this.role);
    } else if (request.is(0, 'get') && (session.readonly || this.role === 'master')) {
      const value = this.store.get(key);
      if (value === undefined) replies.nil();
      else replies.bulkText(value);
    } else if (this.role === 'slave') replies.error('READONLY this is a replica');
    else {
      const value = request.utf8(2);
      this.store.set(key, value);
      this.onWrite(key, value);
      replies.ok();
    }
  }
}

export class FakeCluster implements DrillCluster {
  readonly #faults: ReadonlySet<Fault>;
  readonly #a = new FakeNode('a'.repeat(40));
  readonly #b = new FakeNode('b'.repeat(40));
  readonly #lb: Server;
  readonly #pairs = new Set<Socket>();
  readonly #events: ClusterEvent[] = [];
  /** Writes on their way to the replica. */
  readonly #lag: (() => void)[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #master: FakeNode;
  #backend: FakeNode;
  #epoch = 1;
  /** Keys the woken master applied and must not have. */
  #lateWrites = new Map<string, string>();

  constructor(faults: readonly Fault[]) {
    this.#faults = new Set(faults);
    this.#master = this.#a;
    this.#backend = this.#a;
    this.#a.role = 'master';
    this.#lb = createServer((socket) => this.#proxy(socket));
    this.#a.onWrite = (key, value): void => this.#replicate(this.#a, this.#b, key, value);
    this.#b.onWrite = (key, value): void => this.#replicate(this.#b, this.#a, key, value);
  }

  async start(): Promise<void> {
    for (const server of [this.#a.server, this.#b.server, this.#lb])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }

  view(): Promise<ClusterView> {
    const nodes = [this.#a, this.#b].map((node): NodeView => {
      const role = node === this.#master ? 'master' : 'slave';
      return { id: node.id, address: node.address, role, isAlive: !node.suspended, sequence: 7 };
    });
    const lbAddress = `127.0.0.1:${(this.#lb.address() as AddressInfo).port}`;
    const shard = {
      index: 0,
      epoch: this.#epoch,
      phase: 'stable',
      lbAddress,
      slotRanges: [[0, 16383]] as const,
      nodes,
    };
    return Promise.resolve({ leaseMs, shards: [shard] });
  }

  events(after: number): Promise<readonly ClusterEvent[]> {
    return Promise.resolve(this.#events.filter(({ id }) => id > after));
  }

  readonly controllers: readonly string[] = ['controller'];

  leader(): Promise<string | undefined> {
    return Promise.resolve('controller');
  }

  placeOf(nodeId: string): string {
    return nodeId === this.#a.id ? 'node-1' : 'node-2';
  }

  entryOf({ lbAddress }: ShardView): string {
    return lbAddress;
  }

  /** The other node takes over at once, without anybody having been told. */
  switchOver(): Promise<void> {
    this.#failOver();
    this.#demote();
    return Promise.resolve();
  }

  cutClients(): Promise<number> {
    const cut = this.#pairs.size;
    for (const socket of this.#pairs) socket.resetAndDestroy();
    return Promise.resolve(cut / 2);
  }

  suspend(): Promise<void> {
    this.#lag.length = 0;
    this.#a.suspend();
    if (!this.#faults.has('no-failover')) this.#after(leaseMs, () => this.#failOver());
    return Promise.resolve();
  }

  resume(): void {
    if (this.#faults.has('no-failover')) {
      this.#a.resume();
      return;
    }
    if (this.#faults.has('no-fence')) {
      this.#a.resume();
      this.#after(100, () => this.#demote());
      return;
    }
    if (this.#faults.has('late-writes-replicate'))
      this.#lateWrites.forEach((value, key) => this.#b.store.set(key, value));
    for (const socket of this.#a.sockets) socket.destroy();
    this.#demote();
    this.#a.resume();
  }

  /** The node is back at once, without its connections. */
  kill(place: string): boolean {
    const [killed, other] = place === 'node-1' ? [this.#a, this.#b] : [this.#b, this.#a];
    for (const socket of killed.sockets) socket.destroy();
    if (this.#faults.has('kill-loses-writes')) {
      for (const key of [...killed.store.keys()].slice(-5)) killed.store.delete(key);
      if (killed === this.#master) other.store.clear();
      if (killed === this.#master) killed.store.forEach((value, key) => other.store.set(key, value));
    }
    return true;
  }

  close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of [...this.#a.sockets, ...this.#b.sockets, ...this.#pairs]) socket.destroy();
    for (const server of [this.#a.server, this.#b.server, this.#lb]) server.close();
    return Promise.resolve();
  }

  #after(delayMs: number, run: () => void): void {
    this.#timers.add(setTimeout(run, delayMs));
  }

  #say(kind: string): void {
    const id = this.#events.length + 1;
    this.#events.push({ id, wallMs: Date.now(), kind, shard: 0, epoch: this.#epoch, message: kind });
  }

  #failOver(): void {
    this.#say('master-suspected');
    this.#say('lease-ended');
    this.#epoch++;
    this.#b.role = 'master';
    this.#master = this.#b;
    this.#say('promoted');
    this.#backend = this.#b;
    if (!this.#faults.has('no-fence')) for (const socket of this.#pairs) socket.resetAndDestroy();
    this.#say('lb-moved');
  }

  #demote(): void {
    this.#a.role = 'slave';
    for (const socket of this.#a.sockets) socket.destroy();
    this.#a.store.clear();
    this.#b.store.forEach((value, key) => this.#a.store.set(key, value));
    if (this.#faults.has('old-master-diverges'))
      this.#lateWrites.forEach((value, key) => this.#a.store.set(key, value));
  }

  #replicate(from: FakeNode, to: FakeNode, key: string, value: string): void {
    if (from !== this.#master || to.suspended) return;
    this.#lag.push(() => void to.store.set(key, value));
    const kept = this.#faults.has('replica-lags') && this.#epoch === 1 ? 40 : 0;
    while (this.#lag.length > kept) this.#lag.shift()?.();
  }

  /** Bytes for a suspended node are kept by its paused socket, as the kernel does; a scan of them knows the late writes. */
  #proxy(socket: Socket): void {
    const backend = this.#backend;
    const [host, port] = backend.address.split(':');
    const upstream = connect({ host: host ?? '', port: Number(port) });
    const decoder = new RequestDecoder();
    const { request } = decoder;
    for (const end of [socket, upstream]) {
      this.#pairs.add(end);
      end.on('error', () => undefined);
      end.on('close', () => this.#pairs.delete(end));
    }
    socket.on('data', (chunk) => {
      decoder.push(Buffer.from(chunk));
      while (decoder.next())
        if (backend.suspended && request.is(0, 'set')) this.#lateWrites.set(request.utf8(1), request.utf8(2));
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => socket.write(chunk));
    socket.on('close', () => upstream.destroy());
    upstream.on('close', () => socket.destroy());
  }
}
