/**
 * The topology a node holds: what controllers send it, kept in nodes.conf, and the role that follows from it.
 *
 * Order of every change: judge and parse completely, write nodes.conf (fsynced), take the new value, tell the listeners.
 * So a refusal leaves topology and file untouched, and a node that crashes in between comes back with what it answered
 * for. Taking the role can fail when the topology is in force already; it is then tried again when the same version is
 * sent again (stock Kvrocks answers OK and stays without replication).
 *
 * A node with a fence record acts as master only if that says so; what is decided here is the topology's opinion.
 */
import { FatalError, InvariantError, messageOf, type Endpoint, type Logger } from '@holdfast/base';
import type { TopologyPort } from '@holdfast/commands';
import {
  Topology,
  TopologyRefusal,
  findByAddress,
  formatNodesConf,
  judgeVersion,
  parseNodes,
  parseNodesConf,
  sameEndpoint,
  topologyErrors,
  type NodeId,
  type SlotRange,
  type Version,
} from '@holdfast/topology';

/** nodes.conf, one character per byte. Calls are synchronous; `save` and `remove` return when they are durable. */
export interface NodesFile {
  readonly path: string;
  /** undefined when there is none. */
  load(): string | undefined;
  save(text: string): void;
  remove(): void;
}

/** What the topology makes of this node. */
export type TopologyRole =
  /** Not in its topology, or there is none: it follows nobody. */
  | { readonly role: 'none' }
  | { readonly role: 'master' }
  /** `masterEndpoint` is internal; undefined when the topology does not contain the master: keep what is. */
  | { readonly role: 'replica'; readonly masterId: NodeId; readonly masterEndpoint: Endpoint | undefined };

/**
 * Called in the turn of the change, again when the same version is sent after a failure.
 * @throws OperationError when the role could not be taken.
 */
export type TopologyListener = (role: TopologyRole, topology: Topology) => void;

export interface ClusterEnvironment {
  readonly file: NodesFile;
  readonly logger: Logger;
  /** The node's port. */
  readonly port: number;
  /** Addresses it listens on (own-hosts.ts), read when it looks for itself. */
  ownHosts(): readonly string[];
  /** `persist-cluster-nodes-enabled`. */
  persists(): boolean;
  /** No key that has not expired. */
  databaseIsEmpty(): boolean;
}

export class ClusterState implements TopologyPort {
  readonly #env: ClusterEnvironment;
  readonly #listeners: TopologyListener[] = [];
  #topology: Topology;
  /** What nodes.conf is known to contain; undefined when it is not known. */
  #saved: string | undefined;
  #roleFailed = false;
  #formerLb: Endpoint | undefined;

  private constructor(env: ClusterEnvironment, topology: Topology, saved: string | undefined) {
    this.#env = env;
    this.#topology = topology;
    this.#saved = saved;
  }

  /**
   * Loads nodes.conf. Listeners are told by `announce`, once they are there.
   * @throws FatalError naming file and line when it cannot be read as one; nothing is changed then.
   */
  static open(env: ClusterEnvironment): ClusterState {
    const text = env.persists() ? env.file.load() : undefined;
    if (text === undefined) return new ClusterState(env, Topology.uninitialized(), undefined);
    const loaded = parseNodesConf(text);
    if (loaded instanceof TopologyRefusal) {
      const place = `${env.file.path}, line ${loaded.line ?? 1}`;
      throw new FatalError(
        `failed to load cluster nodes info: ${place}: ${loaded.reason}. ` +
          'Put the file right, or remove it and have the controller send the topology again; nothing was changed.',
      );
    }
    const state = new ClusterState(env, loaded, text);
    state.#topology = state.#recognised(loaded, false);
    env.logger.info('topology loaded', { version: loaded.version, nodes: loaded.nodes.length, self: loaded.selfId });
    return state;
  }

  get topology(): Topology {
    return this.#topology;
  }

  /** LB address under which this node was reached as a master before it lost that role; clients may still use it. */
  get formerLb(): Endpoint | undefined {
    return this.#formerLb;
  }

  get role(): TopologyRole {
    return roleOf(this.#topology);
  }

  onTopologyChange(listener: TopologyListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Tells the listeners where the node stands; once after start, and from the setters.
   * @returns the error line when a listener could not take the role.
   */
  announce(): string | undefined {
    const { role } = this;
    let failure: string | undefined;
    for (const listener of this.#listeners) {
      try {
        listener(role, this.#topology);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        failure ??= messageOf(error);
        this.#env.logger.error('the role of the topology could not be taken', {
          role: role.role,
          version: this.#topology.version,
          error: messageOf(error),
        });
      }
    }
    this.#roleFailed = failure !== undefined;
    return failure === undefined ? undefined : `ERR failed to set master-replica replication: ${failure}`;
  }

  setNodeId(id: NodeId): string | undefined {
    return this.#change(this.#topology.withSelf(id));
  }

  setNodes(payload: string, version: Version, force: boolean): string | undefined {
    const current = this.#topology;
    const verdict = judgeVersion(current.version, version, force);
    if (verdict === 'refuse') return `ERR ${topologyErrors.version}`;
    // The payload of a version that is in force is not even parsed, as in Kvrocks; what failed before is tried again.
    if (verdict === 'nothing-new') return this.#persist(current) ?? (this.#roleFailed ? this.announce() : undefined);
    const parsed = parseNodes(payload);
    if (parsed instanceof TopologyRefusal) return parsed.message;
    return this.#change(this.#recognised(Topology.of(parsed, version, current.selfId), force));
  }

  setSlot(ranges: readonly SlotRange[], id: NodeId, version: Version): string | undefined {
    const next = this.#topology.applySetSlot(ranges, id, version);
    return next instanceof TopologyRefusal ? next.message : this.#change(next);
  }

  reset(): string | undefined {
    if (!this.#env.databaseIsEmpty()) return "ERR Can't reset cluster while database is not empty";
    try {
      this.#env.file.remove();
    } catch (error) {
      this.#saved = undefined;
      return `ERR cannot remove ${this.#env.file.path}: ${messageOf(error)}; the cluster was not reset`;
    }
    this.#saved = undefined;
    this.#take(Topology.uninitialized());
    return this.announce();
  }

  /** `persist-cluster-nodes-enabled` was changed: nodes.conf appears, or goes so that the next start begins without. */
  persistenceChanged(): void {
    const { persists, file, logger } = this.#env;
    let problem = this.#persist(this.#topology);
    if (!persists()) {
      this.#saved = undefined;
      try {
        file.remove();
      } catch (error) {
        problem = `cannot remove ${file.path}: ${messageOf(error)}`;
      }
    }
    if (problem !== undefined) logger.error('nodes.conf is not what it is to be', { problem });
  }

  /** Finds the own entry by address when no id is known yet, or FORCE asks for it; without a match the id stays. */
  #recognised(topology: Topology, force: boolean): Topology {
    if (topology.selfId !== undefined && !force) return topology;
    const own = findByAddress(topology.nodes, { port: this.#env.port, hosts: this.#env.ownHosts() });
    return own === undefined ? topology : topology.withSelf(own.id);
  }

  #change(next: Topology): string | undefined {
    const failure = this.#persist(next);
    if (failure !== undefined) return failure;
    this.#take(next);
    return this.announce();
  }

  #take(next: Topology): void {
    const before = this.#topology.self;
    const now = next.self;
    if (before?.role === 'master' && before.lb !== undefined) this.#formerLb = before.lb;
    const { lb } = now?.role === 'master' ? now : { lb: undefined };
    if (lb !== undefined && this.#formerLb !== undefined && sameEndpoint(lb, this.#formerLb))
      this.#formerLb = undefined;
    this.#topology = next;
    const { version, nodes, selfId } = next;
    this.#env.logger.info('topology taken', { version, nodes: nodes.length, self: selfId, role: this.role.role });
  }

  /** @returns the error line when nodes.conf could not be written: then nothing else may change either. */
  #persist(topology: Topology): string | undefined {
    if (!this.#env.persists()) return undefined;
    const text = formatNodesConf(topology);
    if (text === this.#saved) return undefined;
    // Until the write is known to be durable, the file may hold either text.
    this.#saved = undefined;
    try {
      this.#env.file.save(text);
    } catch (error) {
      return `ERR cannot write ${this.#env.file.path}: ${messageOf(error)}; the topology was not changed`;
    }
    this.#saved = text;
    return undefined;
  }
}

function roleOf(topology: Topology): TopologyRole {
  const { self } = topology;
  if (self === undefined) return { role: 'none' };
  if (self.role === 'master') return { role: 'master' };
  const master = topology.node(self.masterId);
  return { role: 'replica', masterId: self.masterId, masterEndpoint: master?.internal };
}
