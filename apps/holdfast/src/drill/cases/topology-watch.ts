/**
 * Clients that only ask for the topology, of each node of the drilled shard directly and through the shard's LB address:
 * what a client that lost its way would believe. A master that is none any more must not name itself, whoever asks
 * through the LB address never learns an older master than before, and nobody is shown an internal address. The other way
 * round, replicas follow internal addresses only.
 */
import type { Evidence, Mastership } from '@holdfast/history';
import { itemsOf, textOf, type Reply } from '@holdfast/resp';
import type { NodeView } from '../cluster.ts';
import { openConnection, type Connection, type ConnectionSettings } from '../connection.ts';
import type { DrillViolation } from '../drill-report.ts';

const pollMs = 50;
const answerWithinMs = 1000;

export interface TopologyAnswer {
  /** The node that was asked; null through the LB address. */
  readonly asked: string | null;
  /** The node that the answer names as master of the shard. */
  readonly master: string;
  /** Every address in it, `host:port`. */
  readonly shown: readonly string[];
  readonly invokedMs: number;
  readonly completedMs: number;
}

export interface TopologyWorld {
  readonly connection: ConnectionSettings;
  /** A slot of the shard. */
  readonly slot: number;
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

export class TopologyWatch {
  readonly answers: TopologyAnswer[] = [];
  readonly #world: TopologyWorld;

  constructor(world: TopologyWorld) {
    this.#world = world;
  }

  /** Asks at an address until the signal ends, then a moment longer. Never rejects. */
  async ask(address: () => string, asked: string | null, signal: AbortSignal): Promise<void> {
    const { connection: settings, sleep } = this.#world;
    let connection: Connection | undefined;
    while (!signal.aborted) {
      if (connection?.client.isOpen !== true)
        connection = await openConnection(address(), { ...settings, commandTimeoutMs: answerWithinMs }).catch(
          () => undefined,
        );
      if (connection !== undefined) await this.#askOnce(connection, asked);
      await sleep(pollMs);
    }
    connection?.client.close();
  }

  async #askOnce({ client }: Connection, asked: string | null): Promise<void> {
    const invokedMs = this.#world.nowMs();
    const reply = await client.command('CLUSTER', 'SLOTS').catch(() => undefined);
    const master = reply === undefined ? undefined : masterIn(reply, this.#world.slot);
    if (reply === undefined || master === undefined) return;
    this.answers.push({ asked, master, shown: addressesIn(reply), invokedMs, completedMs: this.#world.nowMs() });
  }

  /** What each node says it replicates from, by its own address; those that follow nobody are left out. Never rejects. */
  async followed(nodes: readonly NodeView[]): Promise<ReadonlyMap<string, string>> {
    const settings = { ...this.#world.connection, commandTimeoutMs: answerWithinMs };
    const followed = new Map<string, string>();
    for (const { address } of nodes) {
      const connection = await openConnection(address, settings).catch(() => undefined);
      const reply = await connection?.client.command('ROLE').catch(() => undefined);
      connection?.client.close();
      const [role, host, port] = itemsOf(reply ?? null) ?? [];
      if (textOf(role ?? null) === 'slave') followed.set(address, `${textOf(host ?? null)}:${String(port)}`);
    }
    return followed;
  }
}

/** Every `host:port` of a `CLUSTER SLOTS` reply. */
function addressesIn(reply: Reply): string[] {
  return (itemsOf(reply) ?? []).flatMap((range) =>
    (itemsOf(range) ?? []).slice(2).map((node) => {
      const [host, port] = itemsOf(node) ?? [];
      return `${textOf(host ?? null)}:${String(port)}`;
    }),
  );
}

/** The id of the node that `CLUSTER SLOTS` names first for a slot; undefined when it names none or refused. */
function masterIn(reply: Reply, slot: number): string | undefined {
  for (const range of itemsOf(reply) ?? []) {
    const [first, last, master] = itemsOf(range) ?? [];
    if (typeof first !== 'number' || typeof last !== 'number' || slot < first || slot > last) continue;
    const id = itemsOf(master ?? null)?.[2];
    return id === undefined ? undefined : textOf(id);
  }
  return undefined;
}

/** What clients were shown and replicas follow, against the internal addresses of a cluster that has LB addresses. */
export function addressViolations(
  internal: ReadonlySet<string>,
  answers: readonly TopologyAnswer[],
  followed: ReadonlyMap<string, string>,
): DrillViolation[] {
  if (internal.size === 0) return [];
  const shown = new Set(answers.flatMap((answer) => answer.shown.filter((address) => internal.has(address))));
  return [
    ...[...shown].map((address): DrillViolation => {
      const message = `clients were shown ${address}, which is internal`;
      return { kind: 'address-leaked', message, operations: [] };
    }),
    ...[...followed]
      .filter(([, master]) => !internal.has(master))
      .map(([replica, master]): DrillViolation => {
        const message = `${replica} follows ${master}, which is no internal address of the cluster`;
        return { kind: 'address-leaked', message, operations: [] };
      }),
  ];
}

/** Judges what was answered, by who was master when. */
export function topologyViolations(answers: readonly TopologyAnswer[], evidence: Evidence): DrillViolation[] {
  return [...deposedMasters(answers, evidence), ...stepsBack(answers, evidence)];
}

/** Nodes that named themselves when they were asked after their fence. One violation a node. */
function deposedMasters(answers: readonly TopologyAnswer[], { masterships }: Evidence): DrillViolation[] {
  const byNode = new Map<string, { count: number; message: string }>();
  for (const { asked, master, invokedMs, completedMs } of answers) {
    if (asked === null || master !== asked) continue;
    const fencedMs = latestOf(masterships, asked, completedMs)?.untilMs ?? Infinity;
    if (invokedMs <= fencedMs) continue;
    const found = byNode.get(asked) ?? { count: 0, message: `${Math.round(invokedMs - fencedMs)} ms after its fence` };
    byNode.set(asked, { ...found, count: found.count + 1 });
  }
  return [...byNode].map(([node, { count, message }]) => {
    const text = `node ${node} named itself master ${count} times after it was none any more, first asked ${message}`;
    return { kind: 'stale-topology', message: text, operations: [] };
  });
}

/** Answers through the LB address that name an older master than an answer that had come before they were asked for. */
function stepsBack(answers: readonly TopologyAnswer[], { masterships }: Evidence): DrillViolation[] {
  const seen = answers
    .filter(({ asked }) => asked === null)
    .map((answer) => ({ ...answer, epoch: latestOf(masterships, answer.master, answer.completedMs)?.epoch ?? -1 }));
  const back = seen.find((answer, at) =>
    seen.slice(0, at).some((before) => before.completedMs < answer.invokedMs && before.epoch > answer.epoch),
  );
  if (back === undefined) return [];
  const message = `through the LB address ${back.master} was named as master after a newer one had been`;
  return [{ kind: 'stale-topology', message, operations: [] }];
}

/** The last mastership of a node that had begun by a time. */
function latestOf(masterships: readonly Mastership[], node: string, timeMs: number): Mastership | undefined {
  return masterships.findLast((mastership) => mastership.node === node && mastership.fromMs <= timeMs);
}
