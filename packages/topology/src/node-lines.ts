/**
 * Node lines: how CLUSTERX SETNODES and nodes.conf write a topology. Kvrocks' grammar with an optional load-balancer
 * pair at the end (docs/formats/nodes-conf.md):
 *
 *     <node-id:40> <host> <port> <role> <master-id|-> [slot | slot-range ...] [<lb-host> <lb-port>]
 *
 * After the master id the first token that is no slot begins the pair. A token of digits and hyphens only is always
 * read as slots, so an LB host never looks like one, while an LB port, which does, is told by its place.
 *
 * What Kvrocks refuses is refused with its own text and in its order; some of its leniences are kept because existing
 * controllers may lean on them: `5-` and `-5` mean slot 5, the host is not looked at, and of two lines with one id the
 * later one counts, with the slots of both.
 */
import type { Endpoint } from '@holdfast/base';
import { isNodeId, nodeIdLength, type ClusterNode, type NodeId } from './cluster-node.ts';
import { endpointKey, isHostName, isIpAddress } from './host.ts';
import { TopologyRefusal } from './refusal.ts';
import { formatSlotRanges, type SlotRange } from './slot-range.ts';
import { isSlot, slotCount } from './slot.ts';

export const nodeErrors = {
  info: 'Invalid cluster nodes info',
  id: 'Invalid cluster node id',
  port: 'Invalid cluster node port',
  role: 'Invalid cluster node role',
  slot: 'Slot is out of range',
  overlap: 'Slot distribution is overlapped',
  newline: 'Invalid nodes definition: Missing newline between node entries.',
} as const;

/** A payload that was accepted: the nodes in its order, and for each slot the index of its owner or -1. */
export interface ParsedNodes {
  readonly nodes: readonly ClusterNode[];
  readonly owners: Int32Array;
}

/** One line with the number under which a refusal names it. */
export interface NumberedLine {
  readonly number: number;
  readonly text: string;
}

interface ParsedLine {
  readonly number: number;
  readonly node: ClusterNode;
}

/** Reads a SETNODES payload. Lines end with LF; empty ones are skipped but counted. */
export function parseNodes(payload: string): ParsedNodes | TopologyRefusal {
  return parseNodeLines(payload.split('\n').map((text, index) => ({ number: index + 1, text })));
}

/** Reads node lines that come from anywhere; refusals carry the number given with the line. */
export function parseNodeLines(lines: readonly NumberedLine[]): ParsedNodes | TopologyRefusal {
  // Insertion order is payload order; a line with an id that came before moves that id to its own place.
  const byId = new Map<NodeId, ParsedLine>();
  const slotIds = new Array<NodeId | undefined>(slotCount);
  for (const { number, text } of lines) {
    const tokens = text.split(/[ \t]+/).filter((token) => token !== '');
    if (tokens.length === 0) continue;
    const parsed = parseLine(tokens, number, slotIds);
    if (parsed instanceof TopologyRefusal) return parsed;
    byId.delete(parsed.id);
    byId.set(parsed.id, { number, node: parsed });
  }
  if (byId.size === 0) return new TopologyRefusal(nodeErrors.info);
  const parsedLines = [...byId.values()];
  const conflict = findLbConflict(parsedLines);
  if (conflict) return conflict;
  return { nodes: parsedLines.map(({ node }) => node), owners: ownersOf(parsedLines, slotIds) };
}

/** Only masters own slots: what a later line with the same id made a replica of has lost its owner. */
function ownersOf(lines: readonly ParsedLine[], slotIds: readonly (NodeId | undefined)[]): Int32Array {
  const indexes = new Map<NodeId, number>();
  lines.forEach(({ node }, index) => {
    if (node.role === 'master') indexes.set(node.id, index);
  });
  const owners = new Int32Array(slotCount).fill(-1);
  slotIds.forEach((id, slot) => {
    if (id !== undefined) owners[slot] = indexes.get(id) ?? -1;
  });
  return owners;
}

/** The five fields every line has. */
interface LineHead {
  readonly id: NodeId;
  readonly internal: Endpoint;
  readonly role: 'master' | 'replica' | 'failed-replica';
  readonly master: string;
}

/** One line; its slots are entered into `slotIds`. */
function parseLine(
  tokens: readonly string[],
  line: number,
  slotIds: (NodeId | undefined)[],
): ClusterNode | TopologyRefusal {
  const refuse = (reason: string): TopologyRefusal => new TopologyRefusal(reason, { line });
  const head = parseHead(tokens, line);
  if (head instanceof TopologyRefusal) return head;
  const { id, internal, role, master } = head;
  const rest = tokens.slice(5);
  if (role === 'master') {
    if (master !== '-') return refuse(nodeErrors.id);
    const slotTokens = takeSlots(rest, id, slotIds);
    if (slotTokens instanceof TopologyRefusal) return refuse(slotTokens.reason);
    const lb = parseLbPair(rest.slice(slotTokens), line);
    return lb instanceof TopologyRefusal ? lb : { id, internal, lb, role };
  }
  if (!isNodeId(master)) return refuse(nodeErrors.id);
  if (rest[0] !== undefined && looksLikeSlots(rest[0])) return refuse(nodeErrors.info);
  const lb = parseLbPair(rest, line);
  return lb instanceof TopologyRefusal
    ? lb
    : { id, internal, lb, role: 'replica', masterId: master, failed: role === 'failed-replica' };
}

function parseHead(tokens: readonly string[], line: number): LineHead | TopologyRefusal {
  const refuse = (reason: string): TopologyRefusal => new TopologyRefusal(reason, { line });
  if (tokens.length < 5) return refuse(nodeErrors.info);
  const [id, host, portText, roleText, master] = tokens as [string, string, string, string, string];
  if (!isNodeId(id)) return refuse(nodeErrors.id);
  const port = parsePort(portText, 0);
  if (port === undefined) return refuse(nodeErrors.port);
  const role = parseRole(roleText);
  if (role === undefined) return refuse(nodeErrors.role);
  // Kvrocks takes any host text; a carriage return would break the replies and files the host is written into.
  if (host.includes('\r')) return infoRefusal(line, `carriage return in host ${printable(host)}`);
  return { id, internal: { host, port }, role, master };
}

function parseRole(text: string): 'master' | 'replica' | 'failed-replica' | undefined {
  switch (text.toLowerCase()) {
    case 'master':
      return 'master';
    case 'slave':
    case 'replica':
      return 'replica';
    case 'slave,fail':
      return 'failed-replica';
    default:
      return undefined;
  }
}

function parsePort(text: string, least: number): number | undefined {
  if (!/^[0-9]{1,20}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= least && port <= 65535 ? port : undefined;
}

/** A carriage return stays with its token, so that a payload with CRLF is refused as Kvrocks refuses it. */
function looksLikeSlots(token: string): boolean {
  return /^[0-9-]+\r?$/.test(token);
}

function looksLikeHexId(token: string): boolean {
  return /^[0-9a-fA-F]{40}$/.test(token);
}

/** Enters the slots at the head of `tokens` as belonging to `id`; returns how many tokens they were. */
function takeSlots(tokens: readonly string[], id: NodeId, slotIds: (NodeId | undefined)[]): number | TopologyRefusal {
  let count = 0;
  for (; count < tokens.length; count++) {
    const token = tokens[count] ?? '';
    if (looksLikeHexId(token)) return new TopologyRefusal(nodeErrors.newline);
    if (!looksLikeSlots(token)) break;
    const range = parseSlotToken(token);
    if (range === undefined) return new TopologyRefusal(nodeErrors.slot);
    for (let slot = range.start as number; slot <= range.stop; slot++) {
      if (slotIds[slot] !== undefined) return new TopologyRefusal(nodeErrors.overlap);
      slotIds[slot] = id;
    }
  }
  return count;
}

/** `n` or `a-b` with a < b. Empty parts vanish, as in Kvrocks: `5-` is slot 5. */
function parseSlotToken(token: string): SlotRange | undefined {
  if (token.endsWith('\r')) return undefined;
  const parts = token.split('-').filter((part) => part !== '');
  const [start, stop] = parts.map(Number);
  if (start === undefined || !isSlot(start) || parts.length > 2) return undefined;
  if (stop === undefined) return { start, stop: start };
  return isSlot(stop) && start < stop ? { start, stop } : undefined;
}

/** The tokens after the slots: nothing, or an LB host and an LB port. */
function parseLbPair(tokens: readonly string[], line: number): Endpoint | undefined | TopologyRefusal {
  const [host, portText, extra] = tokens;
  if (host === undefined) return undefined;
  // A forgotten newline puts the next entry's id here. A name of 40 characters is a host only when a port ends the line.
  if (looksLikeHexId(host) || (host.length === nodeIdLength && extra !== undefined))
    return new TopologyRefusal(nodeErrors.newline, { line });
  const refuse = (reason: string): TopologyRefusal => infoRefusal(line, reason);
  if (portText === undefined) return refuse(`LB host ${printable(host)} without a port`);
  const port = parsePort(portText, 1);
  if (port === undefined) return refuse(`LB port ${printable(portText)} is not in 1..65535`);
  if (extra !== undefined) return refuse(`${printable(extra)} after the LB port, which ends a node line`);
  if (!isIpAddress(host) && !isHostName(host))
    return refuse(`LB host ${printable(host)} is neither an IPv4 or IPv6 address nor a host name`);
  return { host, port };
}

function infoRefusal(line: number, reason: string): TopologyRefusal {
  return new TopologyRefusal(`${nodeErrors.info}: ${line}: ${reason}`, { line });
}

/** A token as it may stand in an error line. */
function printable(token: string): string {
  const shown = token.replaceAll(/[^\x21-\x7e]/g, '?');
  return shown.length > 64 ? `${shown.slice(0, 64)}...` : shown;
}

/**
 * An LB address leads to one role of one shard: to its master, or to any of its replicas. And it never leads around the
 * balancer to another node.
 */
function findLbConflict(lines: readonly ParsedLine[]): TopologyRefusal | undefined {
  const internals = new Map<string, NodeId[]>();
  for (const { node } of lines) {
    const key = endpointKey(node.internal);
    const ids = internals.get(key);
    if (ids === undefined) internals.set(key, [node.id]);
    else if (ids.length < 2) ids.push(node.id); // two are enough to find one that is not the asker
  }
  const users = new Map<string, ParsedLine>();
  for (const line of lines) {
    const { node, number } = line;
    if (node.lb === undefined) continue;
    const key = endpointKey(node.lb);
    const address = `LB address ${node.lb.host} ${node.lb.port}`;
    const other = internals.get(key)?.find((id) => id !== node.id);
    if (other !== undefined)
      return infoRefusal(number, `${address} is the internal address of node ${printable(other)}`);
    const user = users.get(key);
    if (user === undefined) users.set(key, line);
    else if (shardOf(user.node) !== shardOf(node))
      return infoRefusal(number, `${address} is already used by another shard in line ${user.number}`);
    else if (user.node.role !== node.role)
      return infoRefusal(
        number,
        `${address} is already used by the ${user.node.role} of the shard in line ${user.number}`,
      );
  }
  return undefined;
}

function shardOf(node: ClusterNode): NodeId {
  return node.role === 'master' ? node.id : node.masterId;
}

/** The role as node lines write it. */
export function roleToken(node: ClusterNode): 'master' | 'slave' | 'slave,fail' {
  if (node.role === 'master') return 'master';
  return node.failed ? 'slave,fail' : 'slave';
}

/** One node line with single blanks and no newline. */
export function formatNodeLine(node: ClusterNode, slots: readonly SlotRange[]): string {
  const fields = [node.id, node.internal.host, String(node.internal.port), roleToken(node)];
  fields.push(node.role === 'master' ? '-' : node.masterId);
  if (slots.length > 0) fields.push(formatSlotRanges(slots));
  if (node.lb !== undefined) fields.push(node.lb.host, String(node.lb.port));
  return fields.join(' ');
}
