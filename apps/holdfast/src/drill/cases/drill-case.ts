/**
 * What a case of the drills is: one kind of fault, how long it takes, what it needs around it, and one way to run it that
 * is the same for all, so that nobody who starts drills has to know any of them.
 */
import type { DrillCluster } from '../cluster.ts';
import type { DrillWorld } from '../drill-world.ts';
import type { Recorder } from '../recorder.ts';
import type { AnyReport } from '../drill-report.ts';

/** What every case is told. */
export interface CasePlan {
  /** The shard whose nodes are met, from 0. It has a master and a living replica. */
  readonly shard: number;
  readonly clients: number;
  /** How long clients write. */
  readonly loadMs: number;
  /** How long the cluster may take to be whole after the load. */
  readonly settleMs: number;
  /** Repeats the random choices of a run. */
  readonly seed: number;
}

/**
 * What must be around a case: every place a host of its own (`namespaces`: `DrillCluster.hosts` is there), the data of
 * each node on a file system of its own (`own-disk`), the controllers' store in an etcd (`etcd`, place `etcd`).
 */
export type Need = 'namespaces' | 'own-disk' | 'etcd';

export interface PlayedCase {
  readonly report: AnyReport;
  readonly recorder: Recorder;
}

export interface DrillCase {
  /** Also the name of the subcommand. */
  readonly name: string;
  /** One sentence: what is done. */
  readonly summary: string;
  /** For how long clients write unless said otherwise. */
  readonly seconds: number;
  /** The shortest time in which all of the case finds room. */
  readonly leastSeconds: number;
  /** How many controllers the cluster has. */
  readonly controllers: 1 | 3;
  readonly needs: readonly Need[];
  /**
   * Runs the case and judges it. The cluster is whole and idle at the start; it is neither made nor closed here.
   * @param fences those that are on, for the report.
   * @throws RangeError when the cluster has no such shard or lacks what the case needs; OperationError when no
   *   controller answers at the start.
   */
  run(cluster: DrillCluster, plan: CasePlan, world: DrillWorld, fences: readonly string[]): Promise<PlayedCase>;
}
