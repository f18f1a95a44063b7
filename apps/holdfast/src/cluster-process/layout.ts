/**
 * Which process of a cluster listens where: pure arithmetic from a handful of settings and the placement, so that a second
 * start finds the same addresses.
 *
 * Nodes are numbered from 1 (node-1 has the first port), shards from 0. The nodes of a shard follow each other, its
 * first master first: with one replica, shard 0 is node-1 and node-2.
 */
import { FatalError } from '@holdfast/base';
import { allFences, type Fence } from '../option-values.ts';
import { onLoopback, type Placement } from './placement.ts';

export interface LayoutSettings {
  readonly shards: number;
  /** Replicas of each shard; its master is not counted. */
  readonly replicas: number;
  /** LB address of shard 0's master; the next shards follow. */
  readonly port: number;
  /** LB address of shard 0's replicas; the next shards follow. */
  readonly replicaPort: number;
  /** Port of node-1; the next nodes follow, unless each has a host of its own. Control ports are 10000 higher. */
  readonly nodePort: number;
  /** The first controller's REST port; the next controllers follow, unless each has a host of its own. */
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

export interface NodePlace {
  /** From 1. */
  readonly number: number;
  /** `node-<number>`; also the name of its folder and of its log. */
  readonly name: string;
  /** From 0. */
  readonly shard: number;
  readonly host: string;
  readonly port: number;
  readonly controlPort: number;
  /** Internal address, `host:port`. */
  readonly address: string;
}

export interface ControllerPlace {
  /** `controller`, or `controller-<number>` when there are several; also the name of its folder and of its log. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** URL of its API. */
  readonly api: string;
}

/** A port and what it is for, in words. */
export interface PortUse {
  readonly host: string;
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
  readonly etcdHost: string;
  /** Of the LB addresses and of the balancer's control port. */
  readonly lbHost: string;
  /** One per shard. */
  readonly masterLbs: readonly string[];
  /** One per shard; empty without replicas. */
  readonly replicaLbs: readonly string[];
  readonly ports: readonly PortUse[];
}

/** @throws FatalError (exit status 2) when two uses fall on one port of a host or a port is too high. */
export function planLayout(settings: LayoutSettings, placement: Placement = onLoopback): Layout {
  const { shards, replicas, nodePort } = settings;
  const step = placement.hasOwnHosts ? 0 : 1;
  const nodes = Array.from({ length: shards * (1 + replicas) }, (_, index): NodePlace => {
    const name = `node-${index + 1}`;
    const host = placement.hostOf(name);
    const port = nodePort + step * index;
    const shard = Math.floor(index / (1 + replicas));
    return { number: index + 1, name, shard, host, port, controlPort: port + 10_000, address: `${host}:${port}` };
  });
  const controllerPlaces = Array.from({ length: settings.controllers }, (_, index): ControllerPlace => {
    const name = settings.controllers === 1 ? 'controller' : `controller-${index + 1}`;
    const host = placement.hostOf(name);
    const port = settings.apiPort + step * index;
    return { name, host, port, api: `http://${host}:${port}` };
  });
  const hasOwnEtcd = settings.store === 'etcd' && settings.etcdEndpoints.length === 0;
  const lbHost = placement.hostOf('lb');
  const etcdHost = hasOwnEtcd ? placement.hostOf('etcd') : '';
  const shardIndexes = Array.from({ length: shards }, (_, shard) => shard);
  const ports = [
    ...lbUses(settings, lbHost, shardIndexes),
    ...nodes.flatMap(nodeUses),
    ...controllerPlaces.map(({ name, host, port }) => ({ host, port, use: `${name}'s API`, flag: '--api-port' })),
    { host: lbHost, port: settings.lbControlPort, use: "balancer's control port", flag: '--lb-control-port' },
    ...(hasOwnEtcd ? etcdUses(settings, etcdHost) : []),
  ];
  checkPorts(ports);
  return {
    ...settings,
    nodes,
    controllerPlaces,
    hasOwnEtcd,
    etcdHost,
    lbHost,
    masterLbs: shardIndexes.map((shard) => `${lbHost}:${settings.port + shard}`),
    replicaLbs: replicas === 0 ? [] : shardIndexes.map((shard) => `${lbHost}:${settings.replicaPort + shard}`),
    ports,
  };
}

function lbUses({ port, replicaPort, replicas }: LayoutSettings, host: string, shards: readonly number[]): PortUse[] {
  const uses = (first: number, role: string, flag: string): PortUse[] =>
    shards.map((shard) => ({ host, port: first + shard, use: `LB address of shard ${shard}'s ${role}`, flag }));
  return [
    ...uses(port, 'master', '--port'),
    ...(replicas === 0 ? [] : uses(replicaPort, 'replicas', '--replica-port')),
  ];
}

function nodeUses({ name, host, port, controlPort }: NodePlace): PortUse[] {
  return [
    { host, port, use: name, flag: '--node-port' },
    { host, port: controlPort, use: `control port of ${name}`, flag: '--node-port' },
  ];
}

function etcdUses({ etcdPort }: LayoutSettings, host: string): PortUse[] {
  return [etcdPort, etcdPort + 1].map((port) => ({ host, port, use: 'etcd', flag: '--etcd-port' }));
}

function checkPorts(ports: readonly PortUse[]): void {
  const seen = new Map<string, PortUse>();
  for (const entry of ports) {
    const { host, port, use, flag } = entry;
    if (port > 65_535) throw new FatalError(`port ${port} (${use}) is above 65535; lower ${flag}`, 2);
    const other = seen.get(`${host}:${port}`);
    if (other !== undefined)
      throw new FatalError(`port ${port} would be both ${other.use} and ${use}; change ${other.flag} or ${flag}`, 2);
    seen.set(`${host}:${port}`, entry);
  }
}
