/**
 * Brings every node that answers to the store's records: its id, its shard's record (before the topology, or an armed
 * node would serve nobody), the topology. Looked at after every heartbeat reply, so a node that comes back is told at
 * once; one node at a time has at most one push under way.
 *
 * A node whose topology is *above* the store's (a store from a backup, another controller) is not overruled with FORCE:
 * the store takes a higher version and that is pushed.
 */
import { messageOf, OperationError } from '@holdfast/base';
import { tellNode } from '@holdfast/fencing';
import type { NodeWatch } from './node-watch.ts';
import type { ShardDriver } from './shard-driver.ts';
import type { ShardHost } from './shard-host.ts';
import { tellTogether, throwIfError } from './shard-steps.ts';

export class TopologyReconciler {
  readonly #host: ShardHost;
  readonly #busy = new Set<string>();
  readonly #lastErrors = new Map<string, string>();
  #toldVersion = 0;

  constructor(host: ShardHost) {
    this.#host = host;
  }

  /** Starts what the node lacks, if anything. */
  consider(watch: NodeWatch, driver: ShardDriver): void {
    const { reply } = watch;
    const id = watch.node.id;
    if (reply === undefined || !this.#host.mayAct || this.#busy.has(id) || driver.holdingNodeId === id) return;
    const { version } = this.#host.mirror().cluster.value;
    if (reply.version > version) return this.#start(watch, () => this.#overtake(reply.version));
    const { record, mayTellNodes } = driver;
    const { isLeased, isSettled } = this.#host;
    const { wantsShard, wantsTopology } = tellNode({ record, reply, isLeased, mayTellNodes, version, isSettled });
    const wantsId = reply.nodeId !== id;
    if (!wantsShard && !wantsTopology && !wantsId) return this.#tellWhenAllHave(version);
    this.#start(watch, () => this.#push(watch, driver, { wantsShard, wantsTopology, wantsId }));
  }

  async #push(watch: NodeWatch, driver: ShardDriver, wants: Wants): Promise<void> {
    const { wantsId, wantsShard, wantsTopology } = wants;
    const record = wantsShard ? driver.record : undefined;
    const told = tellTogether(this.#host, watch, { name: wantsId, record, topology: wantsTopology });
    const replies = await Promise.all([told.named, told.shard, told.topology]);
    ['SETNODEID', 'SHARD', 'SETNODES'].forEach((command, index) => throwIfError(watch, command, replies[index]));
    watch.beatNow();
  }

  async #overtake(version: number): Promise<void> {
    this.#host.logger.warn('a node has a later topology than the store; the store takes a higher version', { version });
    await this.#host.commit(({ cluster }) =>
      cluster.value.version > version ? undefined : { cluster: { ...cluster.value, version: version + 1 } },
    );
  }

  #start(watch: NodeWatch, run: () => Promise<void>): void {
    const { id, addr } = watch.node;
    this.#busy.add(id);
    run()
      .then(
        () => void this.#lastErrors.delete(id),
        (error: unknown) => {
          if (!(error instanceof OperationError)) return this.#host.fatal(error);
          if (this.#lastErrors.get(id) === error.message) return;
          this.#lastErrors.set(id, error.message);
          this.#host.logger.warn('a node was not brought to the store', { node: id, addr, error: messageOf(error) });
        },
      )
      .finally(() => this.#busy.delete(id));
  }

  #tellWhenAllHave(version: number): void {
    if (version === this.#toldVersion) return;
    const answering = this.#host.watches.filter(({ isSuspect }) => !isSuspect);
    if (!answering.every(({ reply }) => reply?.version === version)) return;
    this.#toldVersion = version;
    const message = `all ${answering.length} nodes that answer have topology version ${version}`;
    this.#host.events.add({ kind: 'topology-pushed', message });
  }
}

interface Wants {
  readonly wantsShard: boolean;
  readonly wantsTopology: boolean;
  readonly wantsId: boolean;
}
