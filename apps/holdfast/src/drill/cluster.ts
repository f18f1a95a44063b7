/**
 * What a drill needs of the cluster it is run against: addresses, the controller's view, and the power to stop a process.
 * The real one is made of processes (throw-away-cluster.ts); tests use one made of sockets in their own process.
 */
import type { Connector } from '@holdfast/base';

export interface NodeView {
  readonly id: string;
  /** Internal address, `host:port`. */
  readonly address: string;
  readonly role: 'master' | 'slave';
  readonly isAlive: boolean;
  /** Latest sequence of its log, as far as the controller knows. */
  readonly sequence: number;
  /** Of the in-sync set; absent where nobody says. */
  readonly isInSync?: boolean;
}

export interface ShardView {
  readonly index: number;
  readonly epoch: number;
  readonly phase: string;
  /** Where clients reach the master. */
  readonly lbAddress: string;
  /** First and last slot of each range. */
  readonly slotRanges: readonly (readonly [number, number])[];
  readonly nodes: readonly NodeView[];
}

export interface ClusterView {
  readonly leaseMs: number;
  readonly shards: readonly ShardView[];
}

export interface ClusterEvent {
  readonly id: number;
  /** Unix time in milliseconds. */
  readonly wallMs: number;
  /**
   * Where nobody tells of a promotion, and it is found out by asking: when it can have happened at the earliest, as Unix
   * time in milliseconds.
   */
  readonly earliestWallMs?: number;
  readonly kind: string;
  readonly shard: number | null;
  readonly epoch: number | null;
  readonly message: string;
}

/** What can be done to the hosts of a cluster whose hosts stand in network namespaces of their own. */
export interface HostFaults {
  /** Packets from one place to the other vanish without a word; those of the other direction do not. */
  cutLink(from: string, to: string): void;
  healLink(from: string, to: string): void;
  /** The only network interface of a place, as `ip link set down` and `up` do it. */
  setInterface(place: string, state: 'up' | 'down'): void;
  /** Leaves no byte free on the file system of a node's data, which is its own. */
  fillDisk(place: string): Promise<void>;
  freeDisk(place: string): Promise<void>;
  /**
   * Connections as a client on the host of a place opens them: they do not cross its network, so that they go on while
   * its interface is down. Used by `nic`; without it that case has no client that still sees the old master.
   */
  inside?(place: string): Promise<Connector>;
}

/**
 * Processes are named by their place: `node-1`, …, `lb`, `controller` (or `controller-1`, … when there are several),
 * `etcd`. In namespaces each place is a host of its own; so is `clients`, where the drill itself runs.
 */
export interface DrillCluster {
  /** Absent where all places share the loopback interface. */
  readonly hosts?: HostFaults;
  /** @throws OperationError when no controller answers. */
  view(): Promise<ClusterView>;
  /** Events with an id above `after`, oldest first. */
  events(after: number): Promise<readonly ClusterEvent[]>;
  /** The place of a node that a view has shown. @throws OperationError for another. */
  placeOf(nodeId: string): string;
  /** Places of the controllers. */
  readonly controllers: readonly string[];
  /** The place of the controller that leads now; undefined while none does. */
  leader(): Promise<string | undefined>;
  /** Where a client of a shard that knows nothing better opens a connection. */
  entryOf(shard: ShardView): string;
  /**
   * How long a load client waits for a connection or a reply before it looks for a better connection; 2 s when absent. Short where
   * nobody resets the connections to a master that was replaced: clients have only their own patience there.
   */
  readonly clientTimeoutMs?: number;
  /** Stops a process as SIGSTOP does: from the moment this resolves it executes nothing, its sockets stay. */
  suspend(place: string): Promise<void>;
  resume(place: string): void;
  /**
   * Kills a process at once; whoever supervises it starts it again.
   * @returns false when none was running.
   */
  kill(place: string): boolean;
  /** A planned switchover of a shard to its best replica. Resolves when the controller calls it done. */
  switchOver(shard: number): Promise<void>;
  /** The balancer resets every connection of an LB address in one tick. @returns how many. */
  cutClients(lbAddress: string): Promise<number>;
  /** Ends all processes and removes what the cluster kept, unless it was asked to keep it. Safe to call twice. */
  close(): Promise<void>;
}

/** The node of a shard that the controller holds to be its master; undefined while there is none. */
export function masterOf(shard: ShardView): NodeView | undefined {
  return shard.nodes.find((node) => node.role === 'master');
}

/** The shard with an index. Throws RangeError when the cluster has no such shard. */
export function shardOf(view: ClusterView, index: number): ShardView {
  const shard = view.shards.find((candidate) => candidate.index === index);
  if (shard) return shard;
  throw new RangeError(`no shard ${index}; this cluster has shards 0 to ${view.shards.length - 1}`);
}
