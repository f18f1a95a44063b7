/**
 * Which process of a cluster on one machine listens where: pure arithmetic from a handful of settings, so that a second
 * start finds the same addresses.
 *
 * Nodes are numbered from 1 (node-1 has the first port), shards from 0. The nodes of a shard follow each other, its
 * first master first: with one replica, shard 0 is node-1 and node-2.
 */
import { FatalError } from '@holdfast/base';
import { allFences, type Fence } from '../option-values.ts';

export interface LayoutSettings {
  readonly shards: number;
  /** Replicas of each shard; its master is not counted. */
  readonly replicas: number;
  /** LB address of shard 0's master; the next shards follow. */
  readonly port: number;
  /** LB address of shard 0's replicas; the next shards follow. */
  readonly replicaPort: number;
  /** Port of node-1; the next nodes follow. Control ports are 10000 higher. */
  readonly nodePort: number;
  /** The first controller's REST port; the next controllers follow. */
  readonly apiPort: number;
  /** The balancer's control port. */
  readonly lbControlPort: number;
  readonly leaseMs: number;
  /** Fences that are on; `sync` is synchronous replication. */
  readonly fences: readonly Fence[];
  readonly controllers: number;
  /** `embedded` is for one controller; several share `etcd`. */
  readonly store: 'embedded' | 'etcd';
  /** `http://host:port` of an etcd that runs elsewhere; empty: an own one is started. */
  readonly etcdEndpoints: readonly string[];
  /** Of the own etcd; its peers' port is the next one. */
  readonly etcdPort: number;
}

/** Those of `holdfast up` without flags. */
export const defaultSettings: LayoutSettings = {
  shards: 3,
  replicas: 1,
  port: 7000,
  replicaPort: 7100,
  nodePort: 6661,
  apiPort: 9379,
  lbControlPort: 9380,
  leaseMs: 1000,
  fences: allFences,
  controllers: 1,
  store: 'embedded',
  etcdEndpoints: [],
  etcdPort: 9390,
};

/**
 * The whole settings for what was asked: what follows from something asked (the balancer's port from the number of
 * controllers before it, the store from there being several) follows it.
 * @throws FatalError (exit status 2) when several controllers are to share a store that only one can use.
 */
export function completeSettings(asked: Partial<LayoutSettings>): LayoutSettings {
  const { port, apiPort, controllers } = { ...defaultSettings, ...asked };
  const isShared = controllers > 1 || (asked.etcdEndpoints ?? []).length > 0;
  if (isShared && asked.store === 'embedded')
    throw new FatalError('--store embedded is for one controller; several need --store etcd', 2);
  return {
    ...defaultSettings,
    replicaPort: port + 100,
    lbControlPort: apiPort + controllers,
    store: isShared ? 'etcd' : 'embedded',
    ...asked,
  };
}

/** Every process listens here. */
export const host = '127.0.0.1';

export interface NodePlace {
  /** From 1. */
  readonly number: number;
  /** `node-<number>`; also the name of its folder and of its log. */
  readonly name: string;
  /** From 0. */
  readonly shard: number;
  readonly port: number;
  readonly controlPort: number;
}

export interface ControllerPlace {
  /** `controller`, or `controller-<number>` when there are several; also the name of its folder and of its log. */
  readonly name: string;
  readonly port: number;
  /** URL of its API. */
  readonly api: string;
}

/** A port and what it is for, in words. */
export interface PortUse {
  readonly port: number;
  readonly use: string;
  /** The flag that moves it. */
  readonly flag: string;
}

export interface Layout extends LayoutSettings {
  readonly nodes: readonly NodePlace[];
  readonly controllerPlaces: readonly ControllerPlace[];
  /** The own etcd is to be started. */
  readonly hasOwnEtcd: boolean;
  /** One per shard. */
  readonly masterLbs: readonly string[];
  /** One per shard; empty without replicas. */
  readonly replicaLbs: readonly string[];
  readonly ports: readonly PortUse[];
}

/** @throws FatalError (exit status 2) when two uses fall on one port or a port is too high. */
export function planLayout(settings: LayoutSettings): Layout {
  const { shards, replicas, nodePort } = settings;
  const nodes = Array.from({ length: shards * (1 + replicas) }, (_, index): NodePlace => {
    const port = nodePort + index;
    const shard = Math.floor(index / (1 + replicas));
    return { number: index + 1, name: `node-${index + 1}`, shard, port, controlPort: port + 10_000 };
  });
  const controllerPlaces = Array.from({ length: settings.controllers }, (_, index): ControllerPlace => {
    const name = settings.controllers === 1 ? 'controller' : `controller-${index + 1}`;
    const port = settings.apiPort + index;
    return { name, port, api: `http://${host}:${port}` };
  });
  const hasOwnEtcd = settings.store === 'etcd' && settings.etcdEndpoints.length === 0;
  const shardIndexes = Array.from({ length: shards }, (_, shard) => shard);
  const ports = [...portUses(settings, nodes, shardIndexes), ...controlUses(settings, controllerPlaces, hasOwnEtcd)];
  checkPorts(ports);
  return {
    ...settings,
    nodes,
    controllerPlaces,
    hasOwnEtcd,
    masterLbs: shardIndexes.map((shard) => `${host}:${settings.port + shard}`),
    replicaLbs: replicas === 0 ? [] : shardIndexes.map((shard) => `${host}:${settings.replicaPort + shard}`),
    ports,
  };
}

function portUses(settings: LayoutSettings, nodes: readonly NodePlace[], shards: readonly number[]): PortUse[] {
  const { port, replicaPort, replicas } = settings;
  const lb = (first: number, role: string, flag: string): PortUse[] =>
    shards.map((shard) => ({ port: first + shard, use: `LB address of shard ${shard}'s ${role}`, flag }));
  return [
    ...lb(port, 'master', '--port'),
    ...(replicas === 0 ? [] : lb(replicaPort, 'replicas', '--replica-port')),
    ...nodes.map((node) => ({ port: node.port, use: node.name, flag: '--node-port' })),
    ...nodes.map((node) => ({ port: node.controlPort, use: `control port of ${node.name}`, flag: '--node-port' })),
  ];
}

function controlUses(
  { lbControlPort, etcdPort }: LayoutSettings,
  controllers: readonly ControllerPlace[],
  hasOwnEtcd: boolean,
): PortUse[] {
  return [
    ...controllers.map(({ name, port }) => ({ port, use: `${name}'s API`, flag: '--api-port' })),
    { port: lbControlPort, use: "balancer's control port", flag: '--lb-control-port' },
    ...(hasOwnEtcd ? [etcdPort, etcdPort + 1] : []).map((port) => ({ port, use: 'etcd', flag: '--etcd-port' })),
  ];
}

function checkPorts(ports: readonly PortUse[]): void {
  const seen = new Map<number, PortUse>();
  for (const entry of ports) {
    const { port, use, flag } = entry;
    if (port > 65_535) throw new FatalError(`port ${port} (${use}) is above 65535; lower ${flag}`, 2);
    const other = seen.get(port);
    if (other !== undefined)
      throw new FatalError(`port ${port} would be both ${other.use} and ${use}; change ${other.flag} or ${flag}`, 2);
    seen.set(port, entry);
  }
}
