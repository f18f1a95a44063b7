/** Replies that several cluster commands share. */
import type { ReplyWriter } from '@holdfast/resp';
import {
  clusterShards,
  clusterSlots,
  topologyErrors,
  type ShardNode,
  type SlotsEntry,
  type ViewContext,
} from '@holdfast/topology';
import type { Call } from '../command.ts';
import type { ClusterPort } from './port.ts';

export const clusterErrors: { readonly disabled: string; readonly uninitialized: string } = {
  disabled: 'ERR Cluster mode is not enabled',
  uninitialized: `CLUSTERDOWN ${topologyErrors.uninitialized}`,
};

export function viewContext(port: ClusterPort, call: Call): ViewContext {
  const { view, selfControlPort } = port;
  return { view, nowMs: call.nowMs, ...(selfControlPort === undefined ? {} : { selfControlPort }) };
}

/** Text for people, one byte per character (ids may be any bytes): verbatim in RESP3, bulk in RESP2. */
export function writeText(reply: ReplyWriter, text: string): void {
  if (reply.protocol === 3) reply.raw(Buffer.from(`=${text.length + 4}\r\ntxt:${text}\r\n`, 'latin1'));
  else reply.bulkLatin1(text);
}

/** +OK, or the error of a setter. */
export function writeOutcome(reply: ReplyWriter, error: string | undefined): void {
  if (error === undefined) reply.ok();
  else reply.error(error);
}

export function writeSlots(reply: ReplyWriter, entries: readonly SlotsEntry[]): void {
  reply.array(entries.length);
  for (const { range, nodes } of entries) {
    reply.array(2 + nodes.length);
    reply.integer(range.start);
    reply.integer(range.stop);
    for (const { host, port, id } of nodes) {
      reply.array(3);
      reply.bulkLatin1(host);
      reply.integer(port);
      reply.bulkLatin1(id);
    }
  }
}

export function writeClusterSlots(port: ClusterPort, reply: ReplyWriter): void {
  writeSlots(reply, clusterSlots(port.state.topology, port.view));
}

/** CLUSTER SHARDS as Redis 7 answers it: maps of slots and nodes. */
export function writeClusterShards(port: ClusterPort, reply: ReplyWriter): void {
  const { topology } = port.state;
  const shards = clusterShards(topology, port.view);
  reply.array(shards.length);
  for (const { ranges, nodes } of shards) {
    reply.map(2);
    reply.bulkLatin1('slots');
    reply.array(ranges.length * 2);
    for (const { start, stop } of ranges) {
      reply.integer(start);
      reply.integer(stop);
    }
    reply.bulkLatin1('nodes');
    reply.array(nodes.length);
    // The offsets of other nodes are not known here: nodes do not talk to each other about the topology.
    for (const node of nodes) writeShardNode(reply, node, node.id === topology.selfId ? port.replicationOffset() : 0);
  }
}

function writeShardNode(reply: ReplyWriter, node: ShardNode, offset: number): void {
  const field = (name: string, value: string): void => {
    reply.bulkLatin1(name);
    reply.bulkLatin1(value);
  };
  reply.map(node.hostname === undefined ? 7 : 8);
  field('id', node.id);
  reply.bulkLatin1('port');
  reply.integer(node.port);
  field('ip', node.host);
  field('endpoint', node.host);
  if (node.hostname !== undefined) field('hostname', node.hostname);
  field('role', node.role);
  reply.bulkLatin1('replication-offset');
  reply.integer(offset);
  field('health', node.health);
}
