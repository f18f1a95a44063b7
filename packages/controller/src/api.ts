/**
 * What the REST API does, without HTTP: checked calls in, status and body out. The HTTP server runs on a thread of its
 * own and sends these over, so that parsing, sockets and slow readers never delay a heartbeat.
 */
import { FatalError, OperationError } from '@holdfast/base';
import { ApiError, apiError } from './api-error.ts';
import { topologyMasterId } from './cluster-layout.ts';
import type { NewCluster } from './cluster-creation.ts';
import type { ClusterRuntime } from './cluster-runtime.ts';
import type { RecordStore } from './record-store.ts';
import type { EventRecord } from './records.ts';
import { clusterJson, clusterStatus, nodesJson, shardJson, type Json } from './status.ts';

interface OfCluster {
  readonly namespace: string;
  readonly cluster: string;
}

interface OfShard extends OfCluster {
  readonly shard: number;
}

export type ApiCall =
  | { readonly operation: 'health' }
  | { readonly operation: 'list-namespaces' }
  | { readonly operation: 'create-namespace' | 'get-namespace' | 'delete-namespace'; readonly namespace: string }
  | { readonly operation: 'list-clusters'; readonly namespace: string }
  | { readonly operation: 'create-cluster'; readonly namespace: string; readonly request: NewCluster }
  | ({ readonly operation: 'delete-cluster' } & OfCluster)
  | ({ readonly operation: 'get-cluster' | 'get-status' | 'list-shards' } & OfCluster)
  | ({ readonly operation: 'list-events'; readonly after: number; readonly limit: number } & OfCluster)
  | ({ readonly operation: 'get-shard' | 'list-nodes' } & OfShard)
  | ({ readonly operation: 'failover' | 'switchover'; readonly preferredId: string | undefined } & OfShard);

export interface ApiReply {
  readonly status: number;
  readonly body: Json;
}

/** What the controller offers to its API. */
export interface ApiHost {
  readonly records: RecordStore;
  runtime(namespace: string, cluster: string): ClusterRuntime | undefined;
  createCluster(namespace: string, request: NewCluster): Promise<void>;
  deleteCluster(namespace: string, cluster: string): Promise<void>;
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

function perform(host: ApiHost, call: ApiCall): ApiReply | Promise<ApiReply> {
  switch (call.operation) {
    case 'health':
      return success({ ok: true });
    case 'list-namespaces':
      return success({ namespaces: [...host.records.namespaces] });
    case 'create-namespace':
    case 'get-namespace':
    case 'delete-namespace':
      return ofNamespace(host, call);
    case 'list-clusters':
      checkNamespace(host, call.namespace);
      return success({ clusters: clusterNames(host, call.namespace) });
    case 'create-cluster':
      return createCluster(host, call.namespace, call.request);
    case 'delete-cluster':
      runtimeOf(host, call);
      return host.deleteCluster(call.namespace, call.cluster).then(() => ({ status: 204, body: null }));
    case 'failover':
    case 'switchover':
      return changeMaster(host, call);
    case 'get-shard':
    case 'list-nodes':
      return ofShard(host, call);
    default:
      return ofCluster(host, call);
  }
}

async function ofNamespace(
  host: ApiHost,
  call: ApiCall & { operation: 'create-namespace' | 'get-namespace' | 'delete-namespace' },
): Promise<ApiReply> {
  const { operation, namespace } = call;
  if (operation === 'create-namespace') {
    if (host.records.namespaces.includes(namespace)) throw apiError(409, 'namespace: already exists');
    await host.records.putNamespace(namespace);
    return success({ namespace }, 201);
  }
  if (!host.records.namespaces.includes(namespace)) throw apiError(404, 'namespace: not found');
  if (operation === 'get-namespace') return success(null);
  if (clusterNames(host, namespace).length > 0) throw apiError(403, 'forbidden: please delete clusters first');
  await host.records.removeNamespace(namespace);
  return { status: 204, body: null };
}

function checkNamespace(host: ApiHost, namespace: string): void {
  if (!host.records.namespaces.includes(namespace)) throw apiError(400, 'namespace not found');
}

function clusterNames(host: ApiHost, namespace: string): string[] {
  const clusters = host.records.clusters.map(({ cluster }) => cluster.value);
  return clusters.filter((cluster) => cluster.namespace === namespace).map(({ name }) => name);
}

async function createCluster(host: ApiHost, namespace: string, request: NewCluster): Promise<ApiReply> {
  checkNamespace(host, namespace);
  if (host.runtime(namespace, request.name) !== undefined) throw apiError(409, 'cluster: already exists');
  await host.createCluster(namespace, request);
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

type ClusterCall = ApiCall & { operation: 'get-cluster' | 'get-status' | 'list-shards' | 'list-events' };

function ofCluster(host: ApiHost, call: ClusterCall): ApiReply {
  const runtime = runtimeOf(host, call);
  const mirror = runtime.mirror();
  switch (call.operation) {
    case 'get-cluster':
      return success({ cluster: clusterJson(mirror) });
    case 'get-status':
      return success(clusterStatus(runtime, host.records.bindings.value.clusters[runtime.key] ?? []));
    case 'list-shards': {
      const shards = mirror.cluster.value.shards.map((shard, index) =>
        shardJson(shard, topologyMasterId(shard, mirror.shards[index]?.value)),
      );
      return success({ shards });
    }
    case 'list-events':
      return success({ events: runtime.events.list(call.after, call.limit).map(eventJson) });
    default:
      return call satisfies never;
  }
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
  call: ApiCall & { operation: 'failover' | 'switchover' },
): Promise<ApiReply> {
  const { operation, preferredId } = call;
  if (preferredId !== undefined && preferredId.length !== 40) throw apiError(400, `invalid node id: ${preferredId}`);
  const driver = runtimeOf(host, call).drivers[call.shard];
  if (driver === undefined) throw apiError(404, 'shard: not found');
  const { newMasterId, epoch, durationMs } =
    operation === 'failover' ? await driver.failover(preferredId) : await driver.switchover(preferredId);
  return success({ new_master_id: newMasterId, epoch, duration_ms: Math.round(durationMs) });
}
