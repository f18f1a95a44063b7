/** A controller with a cluster of one or two shards that works, and what it shows of it. */
import assert from 'node:assert/strict';
import type { ApiCall } from '../api.ts';
import { World } from './world.ts';

export const of = { namespace: 'holdfast', cluster: 'local' } as const;
export const masters: readonly string[] = ['127.0.0.1:7000', '127.0.0.1:7001'];
export const replicas: readonly string[] = ['127.0.0.1:7100', '127.0.0.1:7101'];

export interface StatusNode {
  readonly id: string;
  readonly addr: string;
  readonly role: string;
  readonly alive: boolean;
  readonly epoch: number;
  readonly version: number;
  readonly armed: boolean;
}

export interface Status {
  readonly version: number;
  readonly shards: readonly {
    readonly epoch: number;
    readonly phase: string;
    readonly lease_valid_for_ms: number | null;
    readonly nodes: readonly StatusNode[];
  }[];
  readonly bindings: readonly {
    readonly address: string;
    readonly desired: string | null;
    readonly observed: string | null;
  }[];
}

export interface Event {
  readonly id: number;
  readonly kind: string;
  readonly cause: string | null;
  readonly timings: Readonly<Record<string, number>>;
}

export function creation(world: World, replicasPerShard: number): ApiCall {
  const shards = world.nodes.length / replicasPerShard;
  const request = {
    name: 'local',
    nodes: world.nodes.map(({ addr }) => addr),
    replicas: replicasPerShard,
    password: '',
    masterLbs: masters.slice(0, shards),
    replicaLbs: replicas.slice(0, shards),
  };
  return { operation: 'create-cluster', namespace: 'holdfast', request };
}

/** A cluster of one or two shards with two nodes each, at work. */
export async function clusterAtWork(shards = 1, fences: readonly ('lb' | 'lease')[] = ['lb', 'lease']): Promise<World> {
  const world = new World({ nodes: 2 * shards, settings: { fences } });
  world.shards = Array.from({ length: shards }, (_, index) => world.nodes.slice(2 * index, 2 * index + 2));
  await world.startController();
  await world.call({ operation: 'create-namespace', namespace: 'holdfast' });
  const created = await world.call(creation(world, 2));
  assert.equal(created.status, 201, JSON.stringify(created.body));
  for (const node of world.nodes) node.sequence = 100;
  await world.run(300);
  return world;
}

export async function statusOf(world: World): Promise<Status> {
  const { status, body } = await world.call({ operation: 'get-status', ...of });
  assert.equal(status, 200);
  return (body as unknown as { data: Status }).data;
}

export async function eventsOf(world: World): Promise<readonly Event[]> {
  const { body } = await world.call({ operation: 'list-events', ...of, after: 0, limit: 500 });
  return (body as unknown as { data: { events: Event[] } }).data.events;
}

/** @throws AssertionError when there is none. */
export function node(world: World, index: number): World['nodes'][number] {
  const found = world.nodes[index];
  assert.ok(found);
  return found;
}
