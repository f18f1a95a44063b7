/**
 * The in-sync rules in a world of their own: one shard of four nodes with whole logs (every entry tagged with its
 * epoch), links whose acknowledgements travel, a store that takes any request that was ever seen, at any later time, and
 * a master that hears of it later still. No leases and no clocks: one master at a time is what F2 promises, what F3
 * promises is looked at here.
 *
 * After every step (S1): whatever was released is in the log of every member of every record that the store has, or
 * could make of a request that somebody has seen, as far as that member still has the log it is recorded with.
 */
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import { elect, nextIsr, type NodeView } from '../candidate.ts';
import { beginEpoch, commonPoint, logEnd, type EpochHistory, type LogEnd, type LogOutline } from '../epoch-history.ts';
import type { IsrMember } from '../fence-record.ts';
import {
  beginInSync,
  isrRequestOf,
  isWritable,
  releasableThrough,
  stepInSync,
  type InSync,
  type InSyncEvent,
  type InSyncFacts,
} from '../in-sync.ts';
import { judgeIsrRequest, type IsrRequest } from '../isr-request.ts';
import { takeEpoch, type ShardRecord } from '../shard-record.ts';
import { logIdOf, nodeIdOf, processIdOf, viewOf } from './samples.ts';

/** What may be planted. Each is to be found. */
export type InSyncFault =
  /** A shrink counts when it is proposed. */
  | 'isr-local'
  /** A node that is added is waited for once it is confirmed. */
  | 'late-expand'
  /** The leader takes a request made for an older isr-version. */
  | 'old-proposal'
  /** A restarted process goes on in its epoch with what it last heard. */
  | 'same-epoch-restart'
  /** A proposal is forgotten when another replaces it. */
  | 'forgets-replaced'
  /** A node is proposed before it has what was released. */
  | 'early-proposal'
  /** A log keeps its id over a loss of power. */
  | 'reset-keeps-logid'
  /** Candidates are not asked for the log they were recorded with. */
  | 'promote-any'
  /** A follower attaches by sequence alone. */
  | 'seq-only-attach';

interface ModelNode {
  readonly name: string;
  readonly nodeId: string;
  run: number;
  generation: number;
  /** The epoch of each entry. */
  log: number[];
  isUp: boolean;
  /** Attached to the present master; acknowledgements under way. */
  link: { acks: number[] } | undefined;
  /** Log id of its last heartbeat reply. */
  shownLogId: string;
}

export interface InSyncModelOptions {
  readonly seed: number;
  readonly minIsr?: number;
  readonly fault?: InSyncFault;
}

export class InSyncModel {
  readonly random: Random;
  readonly nodes: readonly ModelNode[];
  record: ShardRecord;
  /** `undefined`: the master is gone and nobody was elected yet. */
  state: InSync | undefined;
  nowMs = 1000;
  /** The last entry whose acknowledgement somebody has seen. */
  released: LogEnd = { epoch: 0, sequence: 0 };
  readonly violations: string[] = [];
  /** What happened how often, so that a test can see that it tested something. */
  readonly counts: Map<string, number> = new Map();
  readonly #options: InSyncModelOptions;
  /** Requests that were seen in heartbeat replies; any of them may still reach the store. */
  #seen: { readonly request: IsrRequest; readonly from: { nodeId: string; processId: string } }[] = [];
  /** Records on their way to the master, in order. */
  #news: ShardRecord[] = [];
  #masterRecord: ShardRecord;

  constructor(options: InSyncModelOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.nodes = ['a', 'b', 'c', 'd'].map((name) => ({
      name,
      nodeId: nodeIdOf(name),
      run: 1,
      generation: 1,
      log: [],
      isUp: true,
      link: undefined,
      shownLogId: logIdOf(name),
    }));
    this.record = {
      epoch: 1,
      isrVersion: 0,
      leaseMs: 1000,
      masterId: nodeIdOf('a'),
      processId: processIdOf('a'),
      isr: [{ nodeId: nodeIdOf('a'), logId: logIdOf('a') }],
      controllers: [],
      transition: null,
      changedAtMs: 0,
    };
    this.#masterRecord = this.record;
    this.#begin();
  }

  get facts(): InSyncFacts {
    const latestSequence = this.master.log.length;
    return { nowMs: this.nowMs, isrTimeoutMs: 500, minIsr: this.#options.minIsr ?? 1, latestSequence };
  }

  get master(): ModelNode {
    return this.#node(this.record.masterId);
  }

  /** One random event, then a look at what must hold. */
  disturb(): void {
    const node = this.nodes[randomBelow(this.random, this.nodes.length)];
    if (node === undefined) return;
    const dice = randomBelow(this.random, 200);
    if (!node.isUp) {
      if (dice < 20) this.#start(node);
    } else if (dice < 130) this.#ordinary(node, dice);
    else if (dice < 150) this.heartbeat();
    else if (dice < 165) this.decide();
    else if (dice < 180) this.#hear();
    else if (dice < 190) this.#pass(randomBelow(this.random, 120));
    else if (dice < 197) this.#detach(node, randomBelow(this.random, 2) === 0);
    else this.#misfortune(node);
    if (this.state === undefined) this.#takeEpoch([]);
    this.check();
  }

  /** Everything works from now on: heartbeats, links, clock. */
  heal(): void {
    for (let i = 0; i < 60; i++) {
      for (const node of this.nodes) {
        if (!node.isUp) this.#start(node);
        if (this.state === undefined) this.#takeEpoch([]);
        this.#attach(node);
        this.#replicate(node, Infinity);
        this.#ackAll(node);
      }
      this.heartbeat();
      this.#seen = this.#seen.slice(-1);
      this.decide();
      while (this.#news.length > 0) this.#hear();
      this.#pass(50);
      this.release();
      this.check();
    }
  }

  #misfortune(node: ModelNode): void {
    const dice = randomBelow(this.random, 10);
    if (dice < 6) this.#kill(node);
    else if (dice < 7) this.#losePower(node);
    else this.#takeEpoch(dice < 9 ? [this.record.masterId] : []);
  }

  #ordinary(node: ModelNode, dice: number): void {
    if (dice < 12) this.write(1 + randomBelow(this.random, 2));
    else if (dice < 30) this.#attach(node);
    else if (dice < 75) this.#replicate(node, 1 + randomBelow(this.random, 12));
    else if (dice < 90) this.#ackOne(node);
    else if (dice < 110) this.#ackAll(node);
    else this.release();
  }

  write(entries: number): void {
    const { state, master, facts } = this;
    if (state === undefined || !isWritable(state, facts)) return;
    for (let i = 0; i < entries; i++) master.log.push(state.epoch);
    this.step({ kind: 'look' });
  }

  /** Answers leave. */
  release(): void {
    if (this.state === undefined) return;
    const through = releasableThrough(this.#licensed(this.state), this.facts);
    const entry: LogEnd = { epoch: this.master.log[through - 1] ?? 0, sequence: through };
    if (through > this.released.sequence) this.released = entry;
  }

  #licensed(state: InSync): InSync {
    const { fault } = this.#options;
    if (fault === 'late-expand') return { ...state, adding: [], joining: undefined };
    return state;
  }

  step(event: InSyncEvent): void {
    if (this.state === undefined) return;
    this.release();
    this.state = this.#planted(stepInSync(this.state, event, this.facts));
  }

  #planted(state: InSync): InSync {
    const { request } = state;
    switch (this.#options.fault) {
      case 'isr-local':
        if (request?.change !== '-') return state;
        return { ...state, confirmed: state.confirmed.filter(({ nodeId }) => nodeId !== request.member.nodeId) };
      case 'forgets-replaced':
        return request?.change === '-'
          ? { ...state, adding: state.adding.filter(({ nodeId }) => nodeId === request.member.nodeId) }
          : state;
      case 'early-proposal': {
        const link = [...state.links.values()].find(
          ({ nodeId, state: linkState }) =>
            linkState === 'attached' && !state.confirmed.some((member) => member.nodeId === nodeId),
        );
        if (link === undefined || request !== undefined) return state;
        const member: IsrMember = { nodeId: link.nodeId, logId: link.logId };
        const { epoch, isrVersion } = state;
        return { ...state, joining: undefined, adding: [member], request: { epoch, isrVersion, change: '+', member } };
      }
      default:
        return state;
    }
  }

  /** A controller sees what the master asks for, and which logs the nodes have. */
  heartbeat(): void {
    for (const node of this.nodes) if (node.isUp) node.shownLogId = this.#logId(node);
    const request = this.state === undefined ? undefined : isrRequestOf(this.state);
    if (request === undefined) return;
    this.#seen.push({ request, from: { nodeId: this.master.nodeId, processId: this.#processId(this.master) } });
    if (this.#seen.length > 12) this.#seen.shift();
  }

  /** The store takes one of the requests that were seen, be it old. */
  decide(): void {
    const isNewest = randomBelow(this.random, 2) === 0;
    const chosen = this.#seen.at(isNewest ? -1 : randomBelow(this.random, Math.max(1, this.#seen.length)));
    if (chosen === undefined) return;
    const decision = this.#judge(chosen);
    if (decision === undefined) return;
    this.#count(chosen.request.change === '+' ? 'added' : 'removed');
    this.record = decision;
    this.#news.push(decision);
  }

  #judge({ request, from }: { request: IsrRequest; from: { nodeId: string; processId: string } }) {
    const isrVersion = this.#options.fault === 'old-proposal' ? this.record.isrVersion : request.isrVersion;
    const views = this.nodes.map(({ name, shownLogId }) => viewOf(name, { logId: shownLogId }));
    const decision = judgeIsrRequest(this.record, from, { ...request, isrVersion }, views);
    return decision.kind === 'change' ? decision.record : undefined;
  }

  #hear(): void {
    const record = this.#news.shift();
    if (record === undefined || this.state === undefined) return;
    this.#masterRecord = record;
    this.step({ kind: 'record', record });
  }

  #pass(byMs: number): void {
    this.nowMs += byMs;
    this.step({ kind: 'look' });
  }

  /** ATTACH, and rewinding or a full sync if the answer asks for it. */
  #attach(node: ModelNode): void {
    if (this.state === undefined || node === this.master || !node.isUp || node.link !== undefined) return;
    const { master } = this;
    const common =
      this.#options.fault === 'seq-only-attach'
        ? { epoch: 0, sequence: Math.min(node.log.length, master.log.length) }
        : commonPoint(outlineOf(master.log), outlineOf(node.log));
    if (common === undefined || randomBelow(this.random, 8) === 0) {
      node.log = master.log.slice(0, randomBelow(this.random, master.log.length + 1));
      node.generation += 1;
      this.#count('full-sync');
      return;
    }
    if (common.sequence < node.log.length) this.#count('rewound');
    node.log.length = common.sequence;
    node.link = { acks: [] };
    this.step({ kind: 'attached', nodeId: node.nodeId, logId: this.#logId(node), sequence: common.sequence });
  }

  #replicate(node: ModelNode, entries: number): void {
    if (node.link === undefined || !node.isUp) return;
    const from = node.log.length;
    node.log.push(...this.master.log.slice(from, from + entries));
    if (node.log.length > from) node.link.acks.push(node.log.length);
  }

  #ackOne(node: ModelNode): void {
    const sequence = node.link?.acks.shift();
    if (sequence !== undefined) this.step({ kind: 'ack', nodeId: node.nodeId, sequence });
  }

  #ackAll(node: ModelNode): void {
    while (node.link !== undefined && node.link.acks.length > 0) this.#ackOne(node);
  }

  #detach(node: ModelNode, isReset: boolean): void {
    if (node.link === undefined) return;
    node.link = undefined;
    this.step({ kind: 'detached', nodeId: node.nodeId, isReset });
  }

  /** kill -9: the log stays as it is. */
  #kill(node: ModelNode): void {
    this.#detach(node, true);
    node.isUp = false;
    if (node !== this.master) return;
    if (this.#options.fault === 'same-epoch-restart') {
      node.isUp = true;
      for (const other of this.nodes) other.link = undefined;
      this.state = beginInSync(this.#masterRecord, node.nodeId);
    } else this.state = undefined;
  }

  /** An unsynced end of the log is gone, and with it the log's identity. */
  #losePower(node: ModelNode): void {
    this.#kill(node);
    if (this.state !== undefined && node === this.master) this.state = undefined;
    node.isUp = false;
    node.log.length = randomBelow(this.random, node.log.length + 1);
    if (this.#options.fault !== 'reset-keeps-logid') node.generation += 1;
  }

  #start(node: ModelNode): void {
    node.isUp = true;
    node.run += 1;
  }

  #takeEpoch(excluded: readonly string[]): void {
    const isr = this.#options.fault === 'promote-any' ? this.#everybody() : this.record.isr;
    const election = { views: this.#views(), excluded, isr, replication: 'sync' as const };
    const elected = elect(election);
    if (elected.kind === 'nobody') return;
    const { nodeId, processId, logId } = elected.candidate;
    const next = nextIsr({ ...elected.candidate, logId }, election);
    this.record = takeEpoch(this.record, {
      kind: 'failover',
      cause: 'model',
      masterId: nodeId,
      processId,
      isr: next,
      leaseMs: 1000,
      wallMs: 0,
    });
    this.#count(elected.mayLoseWrites ? 'elected-with-loss' : 'elected');
    this.#masterRecord = this.record;
    this.#news = [];
    if (elected.mayLoseWrites) {
      const end = outlineOf(this.master.log);
      this.released = logEnd(end.history, end.latestSequence);
    }
    this.#begin();
  }

  #begin(): void {
    for (const node of this.nodes) node.link = undefined;
    this.state = beginInSync(this.record, this.record.masterId);
    this.master.log.push(this.record.epoch);
  }

  #everybody(): IsrMember[] {
    return this.nodes.map((node) => ({ nodeId: node.nodeId, logId: this.#logId(node) }));
  }

  #views(): NodeView[] {
    return this.nodes.map((node) => {
      const end = outlineOf(node.log);
      const { epoch, sequence } = logEnd(end.history, end.latestSequence);
      const reply = { sequence, lastEpoch: epoch, processId: this.#processId(node), logId: this.#logId(node) };
      return viewOf(node.name, reply, { isSuspect: !node.isUp });
    });
  }

  /** S1, for the record there is and for each that could be made of it. */
  check(): void {
    this.#checkRecord(this.record, 'in the store');
    for (const seen of this.#seen) {
      const possible = this.#judge(seen);
      if (possible !== undefined) this.#checkRecord(possible, `possible by ${seen.request.change}`);
    }
  }

  #checkRecord({ epoch, isrVersion, isr }: ShardRecord, what: string): void {
    for (const { nodeId, logId } of isr) {
      const node = this.#node(nodeId);
      if (this.#logId(node) !== logId || node.log[this.released.sequence - 1] === this.released.epoch) continue;
      if (this.released.sequence === 0) continue;
      const last = `${this.released.sequence} of epoch ${this.released.epoch}`;
      this.violations.push(`${node.name} lacks ${last}, a member of (${epoch}, ${isrVersion}) ${what}`);
    }
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #node(nodeId: string): ModelNode {
    const node = this.nodes.find((each) => each.nodeId === nodeId);
    if (node === undefined) throw new Error(`no node ${nodeId}`);
    return node;
  }

  #logId(node: ModelNode): string {
    return logIdOf(node.name, node.generation);
  }

  #processId(node: ModelNode): string {
    return processIdOf(node.name, node.run);
  }
}

/** History and length of a log that is given entry by entry. */
export function outlineOf(log: readonly number[]): LogOutline {
  let history: EpochHistory = [];
  log.forEach((epoch, i) => {
    if (epoch !== 0 && history.at(-1)?.epoch !== epoch) history = beginEpoch(history, epoch, i + 1);
  });
  return { history, latestSequence: log.length };
}
