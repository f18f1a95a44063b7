/**
 * The records of the metadata store: what every controller may rely on. One key per cluster, per shard, one for all
 * bindings (so that its revision is one counter over all clusters and leaders), one per cluster for its events.
 *
 *     /holdfast/namespaces/<ns>
 *     /holdfast/clusters/<ns>/<cluster>
 *     /holdfast/shards/<ns>/<cluster>/<index>
 *     /holdfast/events/<ns>/<cluster>
 *     /holdfast/bindings
 *     /holdfast/controllers/<id>                     who belongs to the controllers, alive or not
 *     /holdfast/withheld/<ns>/<cluster>/<index>/<id> what a controller answered when an epoch was withheld
 *     /holdfast/observed/<ns>/<cluster>/<id>         which nodes do not answer that controller
 *
 * The first five are written by the leader alone, each guarded by its leadership; of the others each controller has its
 * own. Who leads and who is alive the store itself keeps (`leaderKey`, `membersPrefix` of @holdfast/metadata).
 */
import { FatalError } from '@holdfast/base';
import { checkShardRecord, type ShardRecord } from '@holdfast/fencing';
import type { Entry } from '@holdfast/metadata';
import { z } from 'zod';

export const keys = {
  all: '/holdfast/',
  controllers: '/holdfast/controllers/',
  withheldAll: '/holdfast/withheld/',
  observedAll: '/holdfast/observed/',
  shards: '/holdfast/shards/',
  eventsAll: '/holdfast/events/',
  namespaces: '/holdfast/namespaces/',
  clusters: '/holdfast/clusters/',
  bindings: '/holdfast/bindings',
  namespace: (namespace: string): string => `/holdfast/namespaces/${namespace}`,
  cluster: (namespace: string, name: string): string => `/holdfast/clusters/${namespace}/${name}`,
  shard: (namespace: string, name: string, index: number): string => `/holdfast/shards/${namespace}/${name}/${index}`,
  events: (namespace: string, name: string): string => `/holdfast/events/${namespace}/${name}`,
  controller: (id: string): string => `/holdfast/controllers/${id}`,
  /** @param cluster `<ns>/<name>` */
  withheld: (cluster: string, index: number, id: string): string => `/holdfast/withheld/${cluster}/${index}/${id}`,
  observed: (cluster: string, id: string): string => `/holdfast/observed/${cluster}/${id}`,
} as const;

/** Names become parts of keys and paths. */
export const nameSchema: z.ZodType<string> = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, '1 to 64 letters, digits, dots, hyphens or underscores');

const whole = z.int().min(0);

export interface ClusterNodeRecord {
  /** 40 characters. */
  readonly id: string;
  /** `host:port`, where other nodes and controllers reach it. */
  readonly addr: string;
  /** `host:port` of its control port. */
  readonly controlAddr: string;
  readonly createdAtMs: number;
}

export interface ClusterShardRecord {
  readonly slotRanges: readonly { readonly start: number; readonly stop: number }[];
  /** LB addresses belong to roles; null: clients use the node's own address. */
  readonly masterLb: string | null;
  readonly replicaLb: string | null;
  readonly nodes: readonly ClusterNodeRecord[];
}

/** F1 and F2; F3 is `replication`. */
export type Fence = 'lb' | 'lease';

/** What an acknowledgement means: on every in-sync replica, or on the master. */
export type Replication = 'sync' | 'async';

export interface ClusterRecord {
  readonly namespace: string;
  readonly name: string;
  /** Of the topology; raised with everything that changes what SETNODES says. */
  readonly version: number;
  readonly createdAtMs: number;
  readonly password: string;
  readonly leaseMs: number;
  readonly fences: readonly Fence[];
  readonly replication: Replication;
  readonly shards: readonly ClusterShardRecord[];
}

export interface BindingRecord {
  readonly address: string;
  readonly backend: string | null;
  readonly drainMs: number | null;
}

export interface BindingsRecord {
  /** By `<ns>/<cluster>`. */
  readonly clusters: Readonly<Record<string, readonly BindingRecord[]>>;
}

export interface EventRecord {
  readonly id: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly kind: string;
  readonly shard: number | null;
  readonly epoch: number | null;
  readonly cause: string | null;
  readonly message: string;
  /** Milliseconds by name. */
  readonly timings: Readonly<Record<string, number>>;
}

export interface EventsRecord {
  readonly events: readonly EventRecord[];
}

export interface ControllerRecord {
  readonly id: string;
  /** URL of its REST API. */
  readonly address: string;
  /** Unix time. */
  readonly startedAtMs: number;
}

/** One controller's answer to "withhold every epoch up to this one". */
export interface WithheldRecord {
  /** Creation time of the cluster: an answer given to a cluster of the same name before it counts for nothing. */
  readonly createdAtMs: number;
  readonly epoch: number;
  /** How long its last promise might still run when it answered. */
  readonly remainingMs: number;
}

export interface ObservedRecord {
  readonly createdAtMs: number;
  /** Ids of nodes that do not answer it, ascending. */
  readonly suspects: readonly string[];
}

const nodeSchema: z.ZodType<ClusterNodeRecord> = z.object({
  id: z.string().length(40),
  addr: z.string(),
  controlAddr: z.string(),
  createdAtMs: whole,
});

const clusterShardSchema: z.ZodType<ClusterShardRecord> = z.object({
  slotRanges: z.array(z.object({ start: whole, stop: whole })),
  masterLb: z.string().nullable(),
  replicaLb: z.string().nullable(),
  nodes: z.array(nodeSchema).min(1),
});

const clusterSchema: z.ZodType<ClusterRecord, unknown> = z.object({
  namespace: nameSchema,
  name: nameSchema,
  version: whole,
  createdAtMs: whole,
  password: z.string(),
  leaseMs: whole,
  fences: z.array(z.enum(['lb', 'lease'])),
  // Clusters made before there was a choice.
  replication: z.enum(['sync', 'async']).default('async'),
  shards: z.array(clusterShardSchema).min(1),
});

const shardSchema: z.ZodType<ShardRecord> = z.object({
  epoch: whole,
  isrVersion: whole,
  leaseMs: whole,
  masterId: z.string(),
  processId: z.string(),
  isr: z.array(z.object({ nodeId: z.string(), logId: z.string() })),
  controllers: z.array(z.string()),
  transition: z
    .object({
      kind: z.enum(['creation', 'failover', 'switchover']),
      cause: z.string(),
      fromMasterId: z.string(),
      fromEpoch: whole,
      fromLeaseMs: whole.optional(),
      startedAtMs: whole,
      announced: z.boolean(),
      cutsAtOnce: z.boolean().optional(),
    })
    .nullable(),
  changedAtMs: whole,
});

const bindingSchema = z.object({ address: z.string(), backend: z.string().nullable(), drainMs: whole.nullable() });

const bindingsSchema: z.ZodType<BindingsRecord> = z.object({
  clusters: z.record(z.string(), z.array(bindingSchema)),
});

const eventsSchema: z.ZodType<EventsRecord> = z.object({
  events: z.array(
    z.object({
      id: whole,
      at: z.string(),
      kind: z.string(),
      shard: whole.nullable(),
      epoch: whole.nullable(),
      cause: z.string().nullable(),
      message: z.string(),
      timings: z.record(z.string(), z.number()),
    }),
  ),
});

const controllerSchema: z.ZodType<ControllerRecord> = z.object({
  id: z.string(),
  address: z.string(),
  startedAtMs: whole,
});

const withheldSchema: z.ZodType<WithheldRecord> = z.object({
  createdAtMs: whole,
  epoch: whole,
  remainingMs: z.number().min(0),
});

const observedSchema: z.ZodType<ObservedRecord> = z.object({ createdAtMs: whole, suspects: z.array(z.string()) });

/** A record and the store's revision that wrote it; revision 0: not there yet. */
export interface Stored<T> {
  readonly value: T;
  readonly revision: number;
}

/** @throws FatalError when the entry is not what its key says: somebody else writes into the store. */
function read<T>(entry: Entry, schema: z.ZodType<T, unknown>): Stored<T> {
  let json: unknown;
  try {
    json = JSON.parse(entry.value);
  } catch (error) {
    throw new FatalError(`the metadata record ${entry.key} is no JSON`, 3, error);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new FatalError(`the metadata record ${entry.key} is wrong: ${z.prettifyError(parsed.error)}`, 3);
  return { value: parsed.data, revision: entry.revision };
}

export const readCluster = (entry: Entry): Stored<ClusterRecord> => read(entry, clusterSchema);
export const readBindings = (entry: Entry): Stored<BindingsRecord> => read(entry, bindingsSchema);
/** The candidate's name in `leaderKey`: the id of the controller that leads. */
export const readLeader = (entry: Entry): Stored<string> => read(entry, z.string());
export const readController = (entry: Entry): Stored<ControllerRecord> => read(entry, controllerSchema);
export const readWithheld = (entry: Entry): Stored<WithheldRecord> => read(entry, withheldSchema);
export const readObserved = (entry: Entry): Stored<ObservedRecord> => read(entry, observedSchema);
export const readEvents = (entry: Entry): Stored<EventsRecord> => read(entry, eventsSchema);

export function readShard(entry: Entry): Stored<ShardRecord> {
  const stored = read(entry, shardSchema);
  checkShardRecord(stored.value);
  return stored;
}
