/**
 * What a drill needs of the cluster it is run against: addresses, the controller's view, and the power to stop a process.
 * The real one is made of processes (throw-away-cluster.ts); tests use one made of sockets in their own process.
 */

export interface NodeView {
  readonly id: string;
  /** Internal address, `host:port`. */
  readonly address: string;
  readonly role: 'master' | 'slave';
  readonly isAlive: boolean;
  /** Latest sequence of its log, as far as the controller knows. */
  readonly sequence: number;
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
  readonly kind: string;
  readonly shard: number | null;
  readonly epoch: number | null;
  readonly message: string;
}

export interface DrillCluster {
  /** @throws OperationError when the controller does not answer. */
  view(): Promise<ClusterView>;
  /** Events with an id above `after`, oldest first. */
  events(after: number): Promise<readonly ClusterEvent[]>;
  /** Stops the process of a node as SIGSTOP does: from the moment this resolves it executes nothing, its sockets stay. */
  suspend(nodeId: string): Promise<void>;
  resume(nodeId: string): void;
  /**
   * Kills the process of a node at once; whoever supervises it starts it again.
   * @returns false when none was running.
   */
  kill(nodeId: string): boolean;
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
