/**
 * Who is reached by whom: the balancer's questions to every node, the leader's own to the master's client port, and what
 * fencing makes of both (`decideReach`). A question is asked and answered in an instant, and costs no dice: the ways there
 * and back are open and the main loop runs, or not.
 */
import { decideReach, type FailoverFacts } from '@holdfast/fencing';
import type { Controller } from './controller.ts';
import type { Lane } from './machine.ts';
import { askSwitch, type SwitchRequest } from './progress.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

function isAnswered(world: World, from: Lane, node: SimNode): boolean {
  const [here, there] = [from.machine.host, node.machine.host];
  const isOpen = !world.network.isCut(here, there) && !world.network.isCut(there, here);
  return isOpen && node.process?.main.isStopped === false;
}

/** What a process that asks nodes has heard of them. */
export class Reach {
  readonly #world: World;
  readonly #lane: Lane;
  /** Lease clock of this machine: since when answers follow one another, and the last one; by node id. */
  readonly #answers = new Map<string, { firstMs: number; lastMs: number }>();
  readonly #beganMs: number;

  constructor(world: World, lane: Lane) {
    this.#world = world;
    this.#lane = lane;
    this.#beganMs = this.#nowMs;
  }

  get #nowMs(): number {
    return this.#lane.machine.leaseMs();
  }

  ask(nodes: readonly SimNode[]): void {
    const { heartbeatMs } = this.#world.cluster.times;
    for (const node of nodes) {
      if (!isAnswered(this.#world, this.#lane, node)) continue;
      const lastMs = this.#nowMs;
      const before = this.#answers.get(node.id);
      const isGap = before === undefined || lastMs - before.lastMs > 3 * heartbeatMs;
      this.#answers.set(node.id, { firstMs: isGap ? lastMs : before.firstMs, lastMs });
    }
  }

  silentMs(nodeId: string): number {
    return this.#nowMs - (this.#answers.get(nodeId)?.lastMs ?? this.#beganMs);
  }

  answersForMs(nodeId: string): number {
    const answers = this.#answers.get(nodeId);
    if (answers === undefined || this.silentMs(nodeId) > 3 * this.#world.cluster.times.heartbeatMs) return 0;
    return answers.lastMs - answers.firstMs;
  }
}

/** Asks the master of one shard to leave when only the balancer does not reach it; not more often than once a lease. */
export class Leaving {
  #askAgainMs = -Infinity;

  next(controller: Controller, facts: FailoverFacts): SwitchRequest | undefined {
    const { world, nowMs, name } = controller;
    if (nowMs < this.#askAgainMs) return undefined;
    const candidateId = takerOver(controller, facts);
    if (candidateId === undefined) return undefined;
    this.#askAgainMs = nowMs + world.cluster.times.leaseMs;
    world.note(name, () => `balancer does not reach the master; ${world.nameOf(candidateId)} is to follow`);
    return askSwitch(candidateId);
  }
}

/** Who is to take over; undefined: nothing is to be done. */
function takerOver(controller: Controller, facts: FailoverFacts): string | undefined {
  const { balancer } = controller.world.cluster;
  const { network } = controller.world;
  const [here, front] = [controller.lane.machine.host, balancer.lane.machine.host];
  const isHeard = !network.isCut(here, front) && !network.isCut(front, here) && !balancer.lane.isStopped;
  const silentMs = new Map(facts.views.map(({ nodeId }) => [nodeId, balancer.reach.silentMs(nodeId)]));
  const decision = decideReach(facts, {
    balancers: [isHeard ? { silentMs } : undefined],
    masterAnswersForMs: controller.reach.answersForMs(facts.record.masterId),
  });
  return decision.kind === 'switch-over' ? decision.candidateId : undefined;
}
