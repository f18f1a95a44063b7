/**
 * Looks at everything that matters after every step and ends the run when a promise does not hold (design 3):
 *
 * - S1 per epoch one process acknowledges, a lower epoch none after a higher one did, and every acknowledged write is in
 *   the history of all later epochs;
 * - S2 no acknowledged write can be lost by a single failure: whoever the store would let be promoted (member of the ISR
 *   with the recorded log) has it;
 * - S3 a read reflects every write acknowledged before it began, and what it showed is never taken back;
 * - S4 what a node has obeyed and what the balancer has applied never goes back;
 * - S5 what a node gives up is in a rollback file first.
 *
 * The judge sees the real world (entries by identity), not what anybody believes.
 */
import type { ShardRecord } from '@holdfast/fencing';
import type { Entry } from './node-disk.ts';
import type { NodeProcess } from './node-process.ts';
import type { Reply } from './server-connection.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** What a shard owes its clients. */
interface Debt {
  /** What was acknowledged or read, with the epoch in which that was first said. */
  readonly entries: Map<Entry, number>;
  /** Epoch -> the process that released something in it. */
  readonly speakers: Map<number, { readonly node: string; readonly processId: string }>;
  latestEpoch: number;
  /** The highest epoch whose master took its role, and the history it began with. */
  begun: { readonly epoch: number; readonly log: readonly Entry[] };
  /** Epoch whose beginning may lose entries: power loss of everything, or an operator's word. */
  lossEpoch: number;
}

export class Judge {
  readonly #world: World;
  readonly #debts: Debt[];
  /** Lease clocks count every pause: then a lower epoch says nothing once a higher one has spoken. */
  readonly #trustsClocks: boolean;
  /** S3 is promised: lease clocks are right, or reads are confirmed. */
  readonly judgesReads: boolean;
  /** Newest acknowledged write by key, as clients have been told. */
  readonly #toldByKey = new Map<string, Entry>();
  readonly #shown = new Set<Entry>();
  /** Shards that rightly lost something: what clients saw before is not held against what they see after. */
  readonly lossCounts: number[];
  ackCount = 0;
  lastAckMs: number[];

  constructor(world: World, options: { shards: number; trustsClocks: boolean; judgesReads: boolean }) {
    this.#world = world;
    this.#trustsClocks = options.trustsClocks;
    this.judgesReads = options.judgesReads;
    this.#debts = Array.from({ length: options.shards }, () => ({
      entries: new Map<Entry, number>(),
      speakers: new Map<number, { node: string; processId: string }>(),
      latestEpoch: 0,
      begun: { epoch: 0, log: [] },
      lossEpoch: 0,
    }));
    this.lossCounts = this.#debts.map(() => 0);
    this.lastAckMs = this.#debts.map(() => -1);
  }

  #debt(shard: number): Debt {
    return this.#debts[shard] as Debt;
  }

  // What nodes say.

  released(process: NodeProcess, { command, kind, entry }: Reply): void {
    if (kind !== 'value' || command.isReadonly) return;
    const { node, processId } = process;
    const { epoch } = process.keeper.record;
    const debt = this.#debt(node.shard);
    const what =
      command.kind === 'set' ? `acknowledged ${command.key}=${command.value}` : `answered a read of ${command.key}`;
    this.#checkSpeaker(debt, { node: node.name, processId, epoch, what });
    if (command.kind === 'set') {
      this.ackCount++;
      this.lastAckMs[node.shard] = this.#world.nowMs;
    }
    if (command.kind === 'get' && !this.judgesReads) return;
    // After a loss that was announced nothing but its lease keeps an old master from going on; here it has none to trust.
    if (epoch < debt.begun.epoch && !this.#trustsClocks && this.lossCounts[node.shard] !== 0) return;
    if (entry === undefined || entry.shard !== node.shard || debt.entries.has(entry)) return;
    if (command.kind === 'get') this.#shown.add(entry);
    this.#owe(node, entry, epoch);
    if (node.disk.log[entry.sequence - 1] !== entry)
      this.#world.fail('S1', `${node.name} ${what}, which is not in its own log`);
  }

  /** From now on the entry must be in every history that follows, and in those that have begun. */
  #owe({ shard }: SimNode, entry: Entry, epoch: number): void {
    const debt = this.#debt(shard);
    debt.entries.set(entry, epoch);
    if (debt.begun.epoch > epoch && debt.lossEpoch === 0 && debt.begun.log[entry.sequence - 1] !== entry)
      this.#missing(entry, `the history of epoch ${debt.begun.epoch}, which had begun`);
    this.#checkMembers(shard, [entry]);
  }

  #checkSpeaker(
    debt: Debt,
    { node, processId, epoch, what }: { node: string; processId: string; epoch: number; what: string },
  ): void {
    const speaker = debt.speakers.get(epoch);
    if (speaker !== undefined && speaker.processId !== processId)
      this.#world.fail(
        'S1',
        `${node} ${processId} ${what} in epoch ${epoch}, in which ${speaker.node} ${speaker.processId} did too`,
      );
    if (epoch < debt.latestEpoch && this.#trustsClocks) {
      const later = debt.speakers.get(debt.latestEpoch);
      this.#world.fail(
        'S1',
        `${node} ${what} in epoch ${epoch} after ${later?.node ?? '?'} had in epoch ${debt.latestEpoch}`,
      );
    }
    if (speaker === undefined) debt.speakers.set(epoch, { node, processId });
    debt.latestEpoch = Math.max(debt.latestEpoch, epoch);
  }

  /** A process takes the master role: its log is the history of the epoch. */
  becameMaster({ node }: NodeProcess, epoch: number): void {
    const debt = this.#debt(node.shard);
    const { log } = node.disk;
    if (epoch > debt.begun.epoch) debt.begun = { epoch, log: [...log] };
    const mayLose = debt.lossEpoch > 0 && epoch >= debt.lossEpoch;
    for (const [entry, saidIn] of debt.entries) {
      // A late message may make a master of an epoch that is over; nobody believes it.
      if (saidIn >= epoch || log[entry.sequence - 1] === entry) continue;
      if (mayLose) debt.entries.delete(entry);
      else this.#missing(entry, `the history of epoch ${epoch} that ${node.name} begins`);
    }
    if (mayLose) {
      debt.lossEpoch = 0;
      this.lossCounts[node.shard] = (this.lossCounts[node.shard] as number) + 1;
      this.#toldByKey.clear();
    }
  }

  #missing(entry: Entry, where: string): never {
    const { key, value, sequence, epoch } = entry;
    const what = this.#shown.has(entry) ? 'read' : 'acknowledged';
    const promise = this.#shown.has(entry) ? 'S3' : 'S1';
    this.#world.fail(
      promise,
      `${what} ${key || 'epoch record'}=${value} (${sequence} of epoch ${epoch}) is not in ${where}`,
    );
  }

  // What the store says.

  recordChanged(shard: number, before: ShardRecord, after: ShardRecord): void {
    if (after.epoch > before.epoch && (after.transition?.cause.includes('may be lost') ?? false))
      this.#debt(shard).lossEpoch = after.epoch;
    if (after.epoch !== before.epoch || after.isrVersion !== before.isrVersion)
      this.#checkMembers(shard, this.#debt(shard).entries.keys());
  }

  /** A log became shorter, or another one. */
  logMoved(node: SimNode): void {
    this.#checkMembers(node.shard, this.#debt(node.shard).entries.keys());
  }

  #checkMembers(shard: number, owed: Iterable<Entry>): void {
    const debt = this.#debt(shard);
    const record = this.#world.cluster.store.state.shards[shard];
    if (debt.lossEpoch > 0 || record === undefined) return;
    const entries = [...owed];
    for (const { nodeId, logId } of record.isr) {
      const node = this.#world.cluster.nodeById(nodeId);
      if (node === undefined || node.disk.logId !== logId || node.willDrawLogId) continue;
      const { log } = node.disk;
      for (const entry of entries)
        if (log[entry.sequence - 1] !== entry) {
          const { key, value, sequence, epoch } = entry;
          const what = `${key || 'epoch record'}=${value} (${sequence} of epoch ${epoch})`;
          const isShown = this.#shown.has(entry);
          this.#world.fail(
            isShown ? 'S3' : 'S2',
            `${isShown ? 'read' : 'acknowledged'} ${what} is not in the log of ${node.name}, which the store would let be promoted`,
          );
        }
    }
  }

  // What clients see.

  /** @returns what a read that begins now must not be older than. */
  toldOf(key: string): Entry | undefined {
    return this.#toldByKey.get(key);
  }

  /** A client got the acknowledgement of its write. */
  told(entry: Entry): void {
    const before = this.#toldByKey.get(entry.key);
    if (before === undefined || before.shard !== entry.shard || before.sequence < entry.sequence)
      this.#toldByKey.set(entry.key, entry);
  }

  /** A client got the answer to its read. */
  sawRead(key: string, seen: Entry | undefined, atLeast: Entry | undefined): void {
    if (!this.judgesReads || atLeast === undefined || this.#toldByKey.get(key) === undefined) return;
    if (seen !== undefined && (seen.shard !== atLeast.shard || seen.sequence >= atLeast.sequence)) return;
    this.#world.fail(
      'S3',
      `a read of ${key} showed ${seen?.value ?? 'nothing'}, although ${atLeast.value} had been acknowledged before it began`,
    );
  }

  // What nodes and balancers obey.

  fenceMoved({ node, keeper }: NodeProcess): void {
    const { epoch, isrVersion } = keeper.record;
    const before = node.obeyed;
    if (epoch < before.epoch || (epoch === before.epoch && isrVersion < before.isrVersion))
      this.#world.fail(
        'S4',
        `${node.name} obeys (${epoch}, ${isrVersion}) after (${before.epoch}, ${before.isrVersion})`,
      );
    node.obeyed = { epoch, isrVersion };
  }

  balancerMoved(before: number, after: number): void {
    if (after < before) this.#world.fail('S4', `the balancer applies bindings of revision ${after} after ${before}`);
  }

  givesUp(node: SimNode, by: string, next: readonly Entry[]): void {
    const { disk } = node;
    for (const entry of disk.log)
      if (next[entry.sequence - 1] !== entry && !disk.rolledBack.has(entry))
        this.#world.fail(
          'S5',
          `${by} takes ${entry.key}=${entry.value} (${entry.sequence}) from ${node.name}, and no rollback file has it`,
        );
  }
}
