/** `ctl status` and `ctl nodes`. */
import Table from 'cli-table3';
import type { BindingStatus, ClusterStatus, NodeStatus, ShardStatus } from '../controller-client.ts';
import { jsonText, type CtlContext } from './context.ts';

export async function showStatus({ client, output, write, note }: CtlContext): Promise<void> {
  const status = await client.status();
  if (output === 'json') {
    const { version, ...rest } = status;
    write(jsonText('status', { ...rest, topology_version: version }));
    return;
  }
  write(formatStatus(status));
  note('next: bin/holdfast ctl nodes, bin/holdfast ctl events');
}

export async function showNodes({ client, output, write }: CtlContext): Promise<void> {
  const { cluster, shards } = await client.status();
  const nodes = shards.flatMap((shard) => shard.nodes.map((node) => ({ shard: shard.index, ...node })));
  if (output === 'json') write(jsonText('nodes', { cluster, nodes }));
  else write(formatNodes(nodes));
}

/** Shards and bindings as two tables under one line of facts. */
export function formatStatus(status: ClusterStatus): string {
  const fences = status.fences.length === 0 ? 'none' : status.fences.join(',');
  const shards = newTable([
    'shard',
    'slots',
    'state',
    'epoch',
    'lease',
    'role',
    'ISR',
    'node',
    'LB address',
    'sequence',
    'lag',
  ]);
  for (const shard of status.shards) for (const node of shard.nodes) shards.push(statusRow(shard, node));
  const bindings = newTable(['LB address', 'leads to', 'connections', 'state']);
  for (const binding of status.bindings)
    bindings.push([binding.address, binding.observed ?? '-', binding.connections, bindingState(binding)]);
  return [
    `cluster ${status.cluster}, topology version ${status.version}, lease ${status.lease_ms} ms, fences ${fences}`,
    ...controllerLines(status),
    ...unreachedLines(status),
    shards.toString(),
    bindings.toString(),
  ].join('\n');
}

/** Who leads, where there are several; and shards whose nodes do not do what the cluster asks for. */
function controllerLines({ controllers = [], replication, shards }: ClusterStatus): string[] {
  const lines: string[] = [];
  if (controllers.length > 1) {
    const leader = controllers.find((controller) => controller.leader);
    const alive = controllers.filter((controller) => controller.alive).length;
    lines.push(`${alive} of ${controllers.length} controllers alive, leader ${leader?.address ?? 'NONE'}`);
  }
  const lax = shards.filter((shard) => replication === 'sync' && shard.replication === 'async');
  if (lax.length > 0)
    lines.push(
      `replication is ASYNC in shard ${lax.map(({ index }) => index).join(', ')}: its nodes do not do otherwise`,
    );
  return lines;
}

/** Nodes that are well as far as controllers see, and of no use to clients. */
function unreachedLines({ shards }: ClusterStatus): string[] {
  const nodes = shards.flatMap((shard) => shard.nodes);
  return nodes
    .filter(({ alive, balancer }) => alive && balancer?.reachable === false)
    .map(({ addr, balancer }) => {
      const silentMs = balancer?.last_answer_ms_ago;
      const since = typeof silentMs === 'number' ? `for ${Math.round(silentMs)} ms` : 'since it was first asked';
      return `the balancer does not reach ${addr} (no answer ${since})`;
    });
}

function statusRow(shard: ShardStatus, node: NodeStatus): string[] {
  const isMaster = node.role === 'master';
  const lease = shard.lease_valid_for_ms;
  const lbAddress = node.lb_address ?? (isMaster ? shard.lb_address : shard.replica_lb_address);
  return [
    String(shard.index),
    isMaster ? shard.slot_ranges.join(' ') : '',
    isMaster ? [shard.phase, shard.step].filter(Boolean).join(': ') : node.alive ? 'alive' : 'DOWN',
    isMaster ? String(shard.epoch) : '',
    isMaster ? (lease === null ? '-' : lease > 0 ? `${Math.round(lease)} ms` : 'NONE') : '',
    isMaster ? (node.alive ? 'master' : 'master DOWN') : 'replica',
    membership(node),
    node.addr,
    lbAddress ?? '-',
    text(node.sequence),
    isMaster ? '' : text(node.lag),
  ];
}

function membership({ in_isr: isMember }: NodeStatus): string {
  if (isMember === undefined) return '-';
  return isMember ? 'in' : 'out';
}

function bindingState({ desired, observed }: BindingStatus): string {
  if (desired === observed) return desired === null ? 'unbound' : 'ok';
  return `WANTED ${desired ?? 'unbound'}`;
}

type ShardNode = NodeStatus & { readonly shard: number };

export function formatNodes(nodes: readonly ShardNode[]): string {
  const table = newTable([
    'id',
    'shard',
    'role',
    'address',
    'control',
    'state',
    'epoch',
    'version',
    'armed',
    'process',
    'last reply',
  ]);
  for (const node of nodes) {
    table.push([
      node.id,
      String(node.shard),
      node.role === 'master' ? 'master' : 'replica',
      node.addr,
      node.control_addr,
      node.alive ? 'alive' : 'DOWN',
      text(node.epoch),
      text(node.version),
      node.armed === null ? '-' : node.armed ? 'yes' : 'no',
      node.process_id?.slice(0, 8) ?? '-',
      node.last_reply_ms_ago === null ? 'never' : `${Math.round(node.last_reply_ms_ago)} ms ago`,
    ]);
  }
  return table.toString();
}

function text(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : String(value);
}

function newTable(head: string[]): InstanceType<typeof Table> {
  return new Table({ head, style: { head: [], border: [], compact: true } });
}
