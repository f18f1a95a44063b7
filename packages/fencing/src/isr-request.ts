/**
 * A master's proposal to change its ISR: one member more or one less, made in the heartbeat reply as
 * `<epoch>:<isr-version>:<+|-><node>:<log id>`, decided by one compare-and-set of the controllers' leader.
 *
 * Only the master of the epoch proposes, and only against the isr-version it has seen. So between two versions that it
 * knows of at most one change can have happened, and it is one of those that it proposed for that version.
 */
import type { NodeView } from './candidate.ts';
import type { IsrMember } from './fence-record.ts';
import { isNodeId, isRandomId, maxEpoch, parseWhole, parseWholeWithin } from './ids.ts';
import { checkShardSuccession, type ShardRecord } from './shard-record.ts';

export interface IsrRequest {
  readonly epoch: number;
  /** The version the change is made to; void for any other. */
  readonly isrVersion: number;
  readonly change: '+' | '-';
  readonly member: IsrMember;
}

export function formatIsrRequest({ epoch, isrVersion, change, member }: IsrRequest): string {
  return `${epoch}:${isrVersion}:${change}${member.nodeId}:${member.logId}`;
}

/** `undefined` for the empty text (nothing is asked) and for one that is no request. */
export function parseIsrRequest(text: string): IsrRequest | undefined {
  const [epochText = '', versionText = '', nodeText = '', logId = '', ...rest] = text.split(':');
  const epoch = parseWholeWithin(epochText, 1, maxEpoch);
  const isrVersion = parseWhole(versionText);
  const change = nodeText.slice(0, 1);
  const nodeId = nodeText.slice(1);
  if (rest.length > 0 || epoch === undefined || isrVersion === undefined) return undefined;
  if ((change !== '+' && change !== '-') || !isNodeId(nodeId) || !isRandomId(logId)) return undefined;
  return { epoch, isrVersion, change, member: { nodeId, logId } };
}

export type IsrDecision =
  /** To be written by compare-and-set against the record that was judged. */
  { readonly kind: 'change'; readonly record: ShardRecord } | { readonly kind: 'ignored'; readonly reason: string };

/**
 * Judges a request that came in a heartbeat reply of the process `from`.
 *
 * Removing somebody who is not a member changes the version alone: that is how a master takes back the proposal of a
 * node that was lost before it was confirmed; the next version lacks it for sure.
 * @param views the latest replies of the shard's nodes: an addition must name the log its node has now.
 */
export function judgeIsrRequest(
  record: ShardRecord,
  from: { readonly nodeId: string; readonly processId: string },
  request: IsrRequest,
  views: readonly NodeView[],
): IsrDecision {
  const { change, member } = request;
  if (request.epoch !== record.epoch) return ignore(`of epoch ${request.epoch}, not ${record.epoch}`);
  if (request.isrVersion !== record.isrVersion)
    return ignore(`for isr-version ${request.isrVersion}, not ${record.isrVersion}`);
  if (from.nodeId !== record.masterId || from.processId !== record.processId)
    return ignore(`by ${from.nodeId} ${from.processId}, not the master's process`);
  if (member.nodeId === record.masterId) return ignore('about the master itself');
  const isr = change === '+' ? withMember(record, member, views) : without(record, member);
  if (typeof isr === 'string') return ignore(isr);
  const next = { ...record, isr, isrVersion: record.isrVersion + 1 };
  checkShardSuccession(record, next);
  return { kind: 'change', record: next };
}

function withMember({ isr }: ShardRecord, member: IsrMember, views: readonly NodeView[]): IsrMember[] | string {
  const shown = views.find(({ nodeId }) => nodeId === member.nodeId)?.reply?.logId;
  if (shown !== member.logId) return `for log ${member.logId} of ${member.nodeId}, which shows ${shown ?? 'nothing'}`;
  if (isr.some(({ nodeId }) => nodeId === member.nodeId)) return `for ${member.nodeId}, which is a member`;
  return [...isr, member];
}

/** A member with another log than the one named stays: the request is about somebody else. */
function without({ isr }: ShardRecord, member: IsrMember): IsrMember[] | string {
  const recorded = isr.find(({ nodeId }) => nodeId === member.nodeId);
  if (recorded !== undefined && recorded.logId !== member.logId)
    return `for log ${member.logId} of ${member.nodeId}, whose recorded one is ${recorded.logId}`;
  return isr.filter(({ nodeId }) => nodeId !== member.nodeId);
}

function ignore(what: string): IsrDecision {
  return { kind: 'ignored', reason: `ISR request ${what}` };
}
