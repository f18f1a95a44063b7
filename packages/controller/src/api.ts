/**
 * What the REST API does, without HTTP: checked calls in, status and body out. The HTTP server runs on a thread of its
 * own and sends these over, so that parsing, sockets and slow readers never delay a heartbeat.
 */
import { FatalError, OperationError } from '@holdfast/base';
import { ApiError, apiError } from './api-error.ts';
import { topologyMasterId } from './cluster-layout.ts';
import type { NewCluster } from './cluster-creation.ts';
import type { ClusterRuntime } from './cluster-runtime.ts';
import type { ObservedBindings } from '@holdfast/balancer';
import type { ControllerSelf } from './cluster-runtime.ts';
import { listEvents } from './event-log.ts';
import type { LeaderTerm } from './leader-term.ts';
import type { EventRecord } from './records.ts';
import { clusterJson, clusterStatus, controllersJson, nodesJson, shardJson, type Json } from './status.ts';
import type { StoreMirror } from './store-mirror.ts';

interface OfCluster {
  readonly namespace: string;
  readonly cluster: string;
}

interface OfShard extends OfCluster {
  readonly shard: number;
}

export type ApiCall =
  | { readonly operation: 'health' }
  | { readonly operation: 'list-controllers' }
  | { readonly operation: 'delete-controller'; readonly controller: string }
  | { readonly operation: 'list-namespaces' }
  | { readonly operation: 'get-namespace'; readonly namespace: string }
  | { readonly operation: 'create-namespace' | 'delete-namespace'; readonly namespace: string }
  | { readonly operation: 'list-clusters'; readonly namespace: string }
  | { readonly operation: 'create-cluster'; readonly namespace: string; readonly request: NewCluster }
  | ({ readonly operation: 'delete-cluster' } & OfCluster)
  | ({ readonly operation: 'get-cluster' | 'get-status' | 'list-shards' } & OfCluster)
  | ({ readonly operation: 'list-events'; readonly after: number; readonly limit: number } & OfCluster)
  | ({ readonly operation: 'get-shard' | 'list-nodes' } & OfShard)
  | ({ readonly operation: 'switchover'; readonly preferredId: string | undefined } & OfShard)
  | ({
      readonly operation: 'failover';
      readonly preferredId: string | undefined;
      /** A node outside the ISR may be promoted when no member can. */
      readonly acceptDataLoss: boolean;
    } & OfShard);

export interface ApiReply {
  readonly status: number;
  readonly body: Json;
  /** With status 307: URL of the API that leads; the request's own path belongs behind it. */
  readonly redirectTo?: string;
}

/** What the controller offers to its API. */
export interface ApiHost {
  readonly self: ControllerSelf;
  readonly mirror: StoreMirror;
  /** Undefined while this controller follows. */
  readonly term: LeaderTerm | undefined;
  runtime(namespace: string, cluster: string): ClusterRuntime | undefined;
  /** What the balancer did when it was last asked; undefined: there is none, or it does not answer. */
  observedBindings(): Promise<ObservedBindings | undefined>;
  createCluster(term: LeaderTerm, namespace: string, request: NewCluster): Promise<void>;
  deleteCluster(term: LeaderTerm, namespace: string, cluster: string): Promise<void>;
}

/** Performs one call. Rejects only with FatalError or our own bugs. */
export async function performCall(host: ApiHost, call: ApiCall): Promise<ApiReply> {
  try {
    return await perform(host, call);
  } catch (error) {
    if (error instanceof FatalError) throw error;
    if (error instanceof ApiError) return failure(error.status, error.message);
    if (error instanceof OperationError) return failure(error.code === 'CONTROLLER_REFUSED' ? 409 : 500, error.message);
    throw error;
  }
}

/** The error shape of every endpoint. */
export function failure(status: number, message: string): ApiReply {
  return { status, body: { error: { message }, data: null } };
}

function success(data: Json, status = 200): ApiReply {
  return { status, body: { data } };
}

/** What only the leader does; anybody else says where it is. */
type LeaderCall = Exclude<ApiCall, { readonly operation: 'health' | `${'list' | 'get'}-${string}` }>;

function isLeaderCall(call: ApiCall): call is LeaderCall {
  return /^(create|delete)-|^(failover|switchover)$/.test(call.operation);
}

function perform(host: ApiHost, call: ApiCall): ApiReply | Promise<ApiReply> {
  if (isLeaderCall(call)) return host.term === undefined ? elsewhere(host) : performAsLeader(host, host.term, call);
  switch (call.operation) {
    case 'health':
      return success({ ok: true });
    case 'list-controllers':
      return success({ controllers: controllersJson(host) });
    case 'list-namespaces':
      return success({ namespaces: [...host.mirror.namespaces] });
    case 'get-namespace':
      if (!host.mirror.namespaces.includes(call.namespace)) throw apiError(404, 'namespace: not found');
      return success(null);
    case 'list-clusters':
      checkNamespace(host, call.namespace);
      return success({ clusters: clusterNames(host, call.namespace) });
    case 'get-shard':
    case 'list-nodes':
      return ofShard(host, call);
    default:
      return ofCluster(host, call);
  }
}

function elsewhere({ self, mirror }: ApiHost): ApiReply {
  const { leaderId } = mirror;
  const leader = mirror.controllers.find(({ id }) => id === leaderId && id !== self.id);
  if (leader === undefined || leader.address === '') throw apiError(503, 'no leader now, please retry later');
  return { ...failure(307, `the leader is at ${leader.address}`), redirectTo: leader.address };
}

async function performAsLeader(host: ApiHost, term: LeaderTerm, call: LeaderCall): Promise<ApiReply> {
  const none: ApiReply = { status: 204, body: null };
  switch (call.operation) {
    case 'create-namespace':
      if (host.mirror.namespaces.includes(call.namespace)) throw apiError(409, 'namespace: already exists');
      await term.writer.putNamespace(call.namespace);
      return success({ namespace: call.namespace }, 201);
    case 'delete-namespace':
      if (!host.mirror.namespaces.includes(call.namespace)) throw apiError(404, 'namespace: not found');
      if (clusterNames(host, call.namespace).length > 0) throw apiError(403, 'forbidden: please delete clusters first');
      await term.writer.removeNamespace(call.namespace);
      return none;
    case 'create-cluster':
      return createCluster(host, term, call);
    case 'delete-cluster':
      runtimeOf(host, call);
      await host.deleteCluster(term, call.namespace, call.cluster);
      return none;
    case 'delete-controller':
      return deleteController(host, term, call.controller);
    default:
      return changeMaster(host, call);
  }
}

async function deleteController(host: ApiHost, term: LeaderTerm, id: string): Promise<ApiReply> {
  const { mirror } = host;
  if (!mirror.controllers.some((controller) => controller.id === id)) throw apiError(404, 'controller: not found');
  if (mirror.isAlive(id)) throw apiError(409, `controller ${id} is alive: stop it first`);
  await term.writer.removeController(id);
  return { status: 204, body: null };
}

function checkNamespace(host: ApiHost, namespace: string): void {
  if (!host.mirror.namespaces.includes(namespace)) throw apiError(400, 'namespace not found');
}

function clusterNames(host: ApiHost, namespace: string): string[] {
  const clusters = host.mirror.clusters.map(({ cluster }) => cluster.value);
  return clusters.filter((cluster) => cluster.namespace === namespace).map(({ name }) => name);
}

async function createCluster(
  host: ApiHost,
  term: LeaderTerm,
  { namespace, request }: LeaderCall & { operation: 'create-cluster' },
): Promise<ApiReply> {
  checkNamespace(host, namespace);
  if (host.runtime(namespace, request.name) !== undefined) throw apiError(409, 'cluster: already exists');
  await host.createCluster(term, namespace, request);
  return success({ cluster: clusterJson(mustRuntime(host, namespace, request.name).mirror()) }, 201);
}

function runtimeOf(host: ApiHost, { namespace, cluster }: OfCluster): ClusterRuntime {
  return mustRuntime(host, namespace, cluster);
}

function mustRuntime(host: ApiHost, namespace: string, cluster: string): ClusterRuntime {
  const runtime = host.runtime(namespace, cluster);
  if (runtime === undefined) throw apiError(404, 'cluster: not found');
  return runtime;
}

type ClusterCall = Exclude<
  ApiCall,
  | LeaderCall
  | {
      readonly operation:
        | 'health'
        | 'list-controllers'
        | 'list-clusters'
        | 'list-nodes'
        | 'get-namespace'
        | 'list-namespaces'
        | 'get-shard';
    }
>;

async function ofCluster(host: ApiHost, call: ClusterCall): Promise<ApiReply> {
  const runtime = runtimeOf(host, call);
  const mirror = runtime.mirror();
  switch (call.operation) {
    case 'get-cluster':
      return success({ cluster: clusterJson(mirror) });
    case 'get-status':
      return success(clusterStatus(host, runtime, await host.observedBindings()));
    case 'list-shards': {
      const shards = mirror.cluster.value.shards.map((shard, index) =>
        shardJson(shard, topologyMasterId(shard, mirror.shards[index]?.value)),
      );
      return success({ shards });
    }
    case 'list-events':
      return success({ events: eventsOf(runtime, call.after, call.limit).map(eventJson) });
    default:
      return call satisfies never;
  }
}

/** The leader knows those that are not in the store yet. */
function eventsOf(runtime: ClusterRuntime, after: number, limit: number): readonly EventRecord[] {
  const { lead } = runtime;
  if (lead !== undefined) return lead.events.list(after, limit);
  return listEvents(runtime.mirror().events.value.events, after, limit);
}

function eventJson({ id, at, kind, shard, epoch, cause, message, timings }: EventRecord): Json {
  return { id, at, kind, shard, epoch, cause, message, timings: { ...timings } };
}

function ofShard(host: ApiHost, call: ApiCall & { operation: 'get-shard' | 'list-nodes' }): ApiReply {
  const mirror = runtimeOf(host, call).mirror();
  const shard = mirror.cluster.value.shards[call.shard];
  if (shard === undefined) throw apiError(404, 'shard: not found');
  const masterId = topologyMasterId(shard, mirror.shards[call.shard]?.value);
  if (call.operation === 'get-shard') return success({ shard: shardJson(shard, masterId) });
  return success({ nodes: nodesJson(shard, masterId) });
}

async function changeMaster(
  host: ApiHost,
  call: LeaderCall & { operation: 'failover' | 'switchover' },
): Promise<ApiReply> {
  const { preferredId } = call;
  if (preferredId !== undefined && preferredId.length !== 40) throw apiError(400, `invalid node id: ${preferredId}`);
  const driver = runtimeOf(host, call).lead?.drivers[call.shard];
  if (driver === undefined) throw apiError(404, 'shard: not found');
  const outcome =
    call.operation === 'failover' ? driver.failover(preferredId, call.acceptDataLoss) : driver.switchover(preferredId);
  const { newMasterId, epoch, durationMs } = await outcome;
  return success({ new_master_id: newMasterId, epoch, duration_ms: Math.round(durationMs) });
}
