/**
 * The heartbeat's two texts: `CLUSTERX HEARTBEAT <master-node-id> <lease-ms> <epoch> [<token> [<controller-id>]]` (the
 * first three arguments as in upstream's proposal, Kvrocks PR #3397) and its reply, a short INFO of CRLF-ended
 * `field:value` lines. The reply is the only place where tokens appear.
 */
import { leaseModes, type LeaseMode, type Refused } from './fence-record.ts';
import { parseWhole } from './ids.ts';

export interface Heartbeat {
  readonly masterId: string;
  readonly leaseMs: number;
  readonly epoch: number;
  /** As received; empty when none was given. */
  readonly token: string;
  /** Empty when none was given. */
  readonly controllerId: string;
}

/** The arguments after `CLUSTERX HEARTBEAT`. */
export function formatHeartbeatArguments(heartbeat: Heartbeat): string[] {
  const { masterId, leaseMs, epoch, token, controllerId } = heartbeat;
  const args = [masterId, String(leaseMs), String(epoch)];
  if (token !== '' || controllerId !== '') args.push(token);
  if (controllerId !== '') args.push(controllerId);
  return args;
}

/** Reads the arguments after `CLUSTERX HEARTBEAT`. Upstream knows three; the token and the controller id are ours. */
export function parseHeartbeatArguments(
  args: readonly string[],
): { readonly kind: 'ok'; readonly heartbeat: Heartbeat } | Refused {
  if (args.length < 3 || args.length > 5) return { kind: 'refused', error: 'ERR wrong number of arguments' };
  const [masterId = '', leaseText = '', epochText = '', token = '', controllerId = ''] = args;
  const leaseMs = parseWhole(leaseText);
  if (leaseMs === undefined || leaseMs === 0) return { kind: 'refused', error: 'ERR invalid lease_ms' };
  const epoch = parseWhole(epochText);
  if (epoch === undefined) return { kind: 'refused', error: 'ERR invalid election_version' };
  return { kind: 'ok', heartbeat: { masterId, leaseMs, epoch, token, controllerId } };
}

/** `sync`: answers wait for the in-sync replicas (F3). */
export type ReplicationMode = 'sync' | 'async';

export type NodeHealth = 'ok' | 'write-failed' | 'disk-stalled' | 'loading';

const healths: readonly NodeHealth[] = ['ok', 'write-failed', 'disk-stalled', 'loading'];

export interface HeartbeatReply {
  /** What the node is acting as; `slave` is the wire's word for replica. */
  readonly role: 'master' | 'slave';
  /** Latest sequence of the engine. */
  readonly sequence: number;
  /** Epoch in which its last entry was written; 0: before the first, or not said. */
  readonly lastEpoch: number;
  /** Of the fence record; 0 before the first SHARD. */
  readonly epoch: number;
  readonly isrVersion: number;
  /** Of the topology; -1 before the first SETNODES. */
  readonly version: number;
  /** Empty before SETNODEID. */
  readonly nodeId: string;
  readonly processId: string;
  readonly logId: string;
  readonly armed: boolean;
  readonly mode: LeaseMode;
  /** What the node does when it is armed; `async` when not said. */
  readonly replicationMode: ReplicationMode;
  readonly health: NodeHealth;
  readonly loopStalledMs: number;
  /** Negative or 0: there is none. */
  readonly leaseRemainingMs: number;
  /** Replicas only; `up` on a master. */
  readonly masterLinkStatus: 'up' | 'down';
  /** `<epoch>:<isr-version>:<+|-><node>:<log id>`, empty when nothing is asked. */
  readonly isrRequest: string;
  /** Empty when the node hands out none (its main loop stands still). */
  readonly leaseToken: string;
}

export function formatHeartbeatReply(reply: HeartbeatReply): string {
  const fields: readonly (readonly [string, string | number])[] = [
    ['role', reply.role],
    ['sequence', reply.sequence],
    ['last_epoch', reply.lastEpoch],
    ['epoch', reply.epoch],
    ['isr_version', reply.isrVersion],
    ['version', reply.version],
    ['node_id', reply.nodeId],
    ['process_id', reply.processId],
    ['log_id', reply.logId],
    ['armed', reply.armed ? 1 : 0],
    ['mode', reply.mode],
    ['replication_mode', reply.replicationMode],
    ['health', reply.health],
    ['loop_stalled_ms', Math.floor(reply.loopStalledMs)],
    ['lease_remaining_ms', Math.floor(reply.leaseRemainingMs)],
    ['master_link_status', reply.masterLinkStatus],
    ['isr_request', reply.isrRequest],
    ['lease_token', reply.leaseToken],
  ];
  return fields.map(([name, value]) => `${name}:${value}\r\n`).join('');
}

/**
 * Reads a reply; unknown fields and lines without a colon are skipped (stock Kvrocks answers with all of INFO).
 * @returns `undefined` when role or sequence is missing: then it was no heartbeat reply.
 */
export function parseHeartbeatReply(reply: string): HeartbeatReply | undefined {
  const fields = new Map<string, string>();
  for (const line of reply.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/\r$/, ''));
  }
  const role = fields.get('role');
  const sequence = parseWhole(fields.get('sequence') ?? '');
  if ((role !== 'master' && role !== 'slave') || sequence === undefined) return undefined;
  const text = (name: string): string => fields.get(name) ?? '';
  const signed = (name: string, otherwise: number): number =>
    /^-?[0-9]{1,15}$/.test(text(name)) ? Number(text(name)) : otherwise;
  return {
    role,
    sequence,
    lastEpoch: signed('last_epoch', 0),
    epoch: signed('epoch', 0),
    isrVersion: signed('isr_version', 0),
    version: signed('version', -1),
    nodeId: text('node_id'),
    processId: text('process_id'),
    logId: text('log_id'),
    armed: text('armed') === '1',
    mode: leaseModes.find((mode) => mode === text('mode')) ?? 'disabled',
    replicationMode: text('replication_mode') === 'sync' ? 'sync' : 'async',
    health: parseHealth(fields.get('health')),
    loopStalledMs: signed('loop_stalled_ms', 0),
    leaseRemainingMs: signed('lease_remaining_ms', 0),
    masterLinkStatus: text('master_link_status') === 'down' ? 'down' : 'up',
    isrRequest: text('isr_request'),
    leaseToken: text('lease_token'),
  };
}

/** Nothing said is well (stock Kvrocks); a word of a newer node that this controller does not know is not. */
function parseHealth(word: string | undefined): NodeHealth {
  if (word === undefined) return 'ok';
  return healths.find((health) => health === word) ?? 'write-failed';
}
