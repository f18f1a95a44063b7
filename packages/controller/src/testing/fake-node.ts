/**
 * A node for tests: the real fencing rules behind RESP on an in-memory stream. It can be stopped (bytes wait, as in
 * socket buffers), killed and started again.
 */
import { randomText, seededRandom, type Clock, type Transport } from '@holdfast/base';
import {
  acceptShard,
  closedWord,
  fencedRole,
  formatHeartbeatReply,
  formatToken,
  isLeaseValid,
  masteredWord,
  noLease,
  parseHeartbeatArguments,
  parseShardArguments,
  renew,
  renewedWord,
  resign,
  unarmedRecord,
  unpackWord,
  type FenceRecord,
  type HeartbeatReply,
  type LeaseState,
} from '@holdfast/fencing';
import { ReplyWriter, RequestDecoder } from '@holdfast/resp';
import { parseNodes, TopologyRefusal } from '@holdfast/topology';

export class FakeNode {
  readonly addr: string;
  readonly #clock: Clock;
  #run = 1;
  #transports = new Set<Transport>();
  #waiting: (() => void)[] = [];
  state: 'running' | 'stopped' | 'dead' = 'running';
  nodeId = '';
  version = -1;
  topologyRole: 'master' | 'slave' = 'master';
  record: FenceRecord;
  sequence = 0;
  health: HeartbeatReply['health'] = 'ok';
  linkStatus: 'up' | 'down' = 'up';
  replicationMode: HeartbeatReply['replicationMode'] = 'async';
  /** What it proposes as master; a test sets it. */
  isrRequest = '';
  lastEpoch = 0;
  /** What the node was told, oldest first, without heartbeats. */
  readonly told: string[] = [];
  /** Whom each heartbeat called master, and whether this node was armed then. */
  readonly heartbeats: { readonly masterId: string; readonly wasArmed: boolean }[] = [];
  /** Topologies that came under a version it had with another content. */
  readonly contradictions: string[] = [];
  #topology = '';
  #word = closedWord;
  #lease: LeaseState = noLease;

  constructor(addr: string, clock: Clock) {
    this.addr = addr;
    this.#clock = clock;
    const logId = randomText(seededRandom(addr.length + Number(addr.split(':')[1])), 20, '0123456789abcdef');
    this.record = unarmedRecord({ logId, bootId: 'boot-1', mode: 'disabled' });
  }

  get processId(): string {
    return `process${this.addr.split(':')[1]}x${this.#run}`;
  }

  /** Lease clock since which nothing is answered on the client port; undefined: it is. */
  silentSinceMs: number | undefined;
  #stalled: (() => void)[] | undefined;

  /** The main loop stands still: heartbeats go on, the client port answers nothing. */
  stall(): void {
    this.#stalled = [];
    this.silentSinceMs ??= this.#clock.leaseMs();
  }

  unstall(): void {
    const waiting = this.#stalled ?? [];
    this.#stalled = undefined;
    this.silentSinceMs = undefined;
    for (const read of waiting) read();
  }

  /** Serves a connection to its control port, or to the one of clients. */
  accept(transport: Transport, isClients = false): void {
    const decoder = new RequestDecoder();
    this.#transports.add(transport);
    transport.listen({
      onData: (chunk) => {
        const read = (): void => {
          decoder.push(chunk);
          while (decoder.next()) {
            const request = decoder.request;
            const args = Array.from({ length: request.count }, (_, index) => request.utf8(index));
            transport.write(this.#answer(args));
          }
        };
        if (this.state === 'stopped') this.#waiting.push(read);
        else if (isClients && this.#stalled !== undefined) this.#stalled.push(read);
        else if (this.state === 'running') read();
      },
      onClose: () => void this.#transports.delete(transport),
    });
  }

  stop(): void {
    this.state = 'stopped';
    this.silentSinceMs ??= this.#clock.leaseMs();
  }

  resume(): void {
    this.state = 'running';
    this.silentSinceMs = undefined;
    for (const read of this.#waiting.splice(0)) read();
  }

  kill(): void {
    this.state = 'dead';
    this.silentSinceMs ??= this.#clock.leaseMs();
    this.#stalled = undefined;
    this.#waiting = [];
    this.#word = closedWord;
    this.#lease = noLease;
    for (const transport of this.#transports) transport.destroy();
    this.#transports.clear();
  }

  start(): void {
    this.state = 'running';
    this.silentSinceMs = undefined;
    this.#run += 1;
  }

  /** The process loses its mastership in a way that no renewal mends. */
  loseLease(): void {
    this.#word = closedWord;
  }

  /** True when it would answer a client as master at this instant. */
  get isBelieved(): boolean {
    const { record } = this;
    if (this.state !== 'running') return false;
    if (!record.armed) return this.topologyRole === 'master' && this.version >= 0;
    const isMaster = fencedRole(record, { nodeId: this.nodeId, processId: this.processId }) === 'master';
    return isMaster && isLeaseValid(unpackWord(this.#word), record.epoch, this.#clock.leaseMs());
  }

  #answer(args: readonly string[]): Uint8Array {
    const writer = new ReplyWriter();
    const [family = '', name = '', ...rest] = args;
    if (family.toUpperCase() === 'PING') writer.simple('PONG');
    else if (family.toUpperCase() !== 'CLUSTERX') writer.error(`ERR unknown command '${family}'`);
    else this.#clusterx(name.toUpperCase(), rest, writer);
    return writer.take();
  }

  #clusterx(name: string, args: readonly string[], writer: ReplyWriter): void {
    if (name !== 'HEARTBEAT') this.told.push([name, ...args].join(' '));
    switch (name) {
      case 'HEARTBEAT':
        return this.#heartbeat(args, writer);
      case 'SHARD':
        return this.#shard(args, writer);
      case 'SETNODEID':
        this.nodeId = args[0] ?? '';
        return writer.ok();
      case 'SETNODES':
        return this.#setNodes(args, writer);
      case 'RESIGN': {
        const resigned = resign(this.record, Number(args[0]));
        if (resigned.kind === 'refused') return writer.error(resigned.error);
        this.record = resigned.record;
        this.#word = closedWord;
        return writer.integer(this.sequence);
      }
      case 'HOLD':
      case 'UNHOLD':
      case 'RELEASE':
        return writer.integer(this.sequence);
      default:
        return writer.error(`ERR unknown subcommand '${name}'`);
    }
  }

  #heartbeat(args: readonly string[], writer: ReplyWriter): void {
    const parsed = parseHeartbeatArguments(args);
    if (parsed.kind === 'refused') return writer.error(parsed.error);
    this.heartbeats.push({ masterId: parsed.heartbeat.masterId, wasArmed: this.record.armed });
    const own = { nodeId: this.nodeId, processId: this.processId };
    const nowMs = this.#clock.leaseMs();
    const renewal = renew(this.#lease, parsed.heartbeat, {
      record: this.record,
      own,
      nowMs,
      loopStalledMs: 0,
      stallLimitMs: 5000,
    });
    if (renewal.kind === 'renewed') {
      this.#lease = renewal.state;
      this.#word = renewedWord(this.#word, this.record.epoch, renewal.deadlineMs) ?? this.#word;
    }
    const { epoch, isrVersion, armed, mode, logId } = this.record;
    const role = armed ? (fencedRole(this.record, own) === 'master' ? 'master' : 'slave') : this.topologyRole;
    const reply: HeartbeatReply = {
      role,
      sequence: this.sequence,
      lastEpoch: this.lastEpoch,
      epoch,
      isrVersion,
      version: this.version,
      nodeId: this.nodeId,
      processId: this.processId,
      logId,
      armed,
      mode,
      replicationMode: this.replicationMode,
      health: this.health,
      loopStalledMs: 0,
      leaseRemainingMs: Math.max(0, unpackWord(this.#word).deadlineMs - nowMs),
      masterLinkStatus: this.linkStatus,
      isrRequest: this.isrRequest,
      leaseToken: formatToken({ processId: this.processId, clockMs: nowMs }),
    };
    writer.bulkText(formatHeartbeatReply(reply));
  }

  #shard(args: readonly string[], writer: ReplyWriter): void {
    const parsed = parseShardArguments(args);
    if (parsed.kind === 'refused') return writer.error(parsed.error);
    const accepted = acceptShard(this.record, parsed.message, { nodeId: this.nodeId, processId: this.processId });
    if (accepted.kind === 'refused') return writer.error(accepted.error);
    this.record = accepted.record;
    if (accepted.voidDeadline) this.#lease = noLease;
    if (accepted.effect === 'become-master') this.#word = masteredWord(accepted.record.epoch);
    if (accepted.effect === 'become-replica') this.#word = closedWord;
    writer.ok();
  }

  #setNodes(args: readonly string[], writer: ReplyWriter): void {
    const parsed = parseNodes(args[0] ?? '');
    if (parsed instanceof TopologyRefusal) return writer.error(`ERR ${parsed.reason}`);
    const version = Number(args[1]);
    if (version < this.version) return writer.error('ERR Invalid cluster version');
    const text = args[0] ?? '';
    // A node has what it has: another content under the same version is not taken, and must not be sent.
    if (version === this.version) {
      if (text !== this.#topology) this.contradictions.push(`version ${version} of ${this.addr}`);
      return writer.ok();
    }
    this.version = version;
    this.#topology = text;
    const self = parsed.nodes.find(({ id }) => id === this.nodeId);
    this.topologyRole = self?.role === 'replica' ? 'slave' : 'master';
    writer.ok();
  }
}
