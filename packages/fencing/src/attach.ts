/**
 * Before a follower takes part in a log it compares its own with it: `CLUSTERX ATTACH` carries the follower's epoch,
 * identity, log id and the outline of its log; the answer is the last common entry. A follower that has more rewinds to
 * it (or takes a full sync) and attaches anew; only then it sends PSYNC. By sequence alone (as PSYNC compares) a deposed
 * master that went on alone would look like one that is merely up to date.
 *
 *     CLUSTERX ATTACH <epoch> <node-id> <log-id> <latest-sequence> <e:s,e:s,…|->
 *     +COMMON <sequence> <epoch>
 *     -ERR no common history: …          full sync
 *     -ERR node is not armed: …          an unarmed follower goes on to plain PSYNC
 *
 * Both ends must be in one epoch: acknowledgements count for the epoch the link was attached in, and a master that hears
 * of a higher epoch has been replaced.
 */
import { commonPoint, formatEpochHistory, logEnd, parseEpochHistory } from './epoch-history.ts';
import type { LogEnd, LogOutline } from './epoch-history.ts';
import { fencedRole, type FenceRecord, type OwnIdentity, type Refused } from './fence-record.ts';
import { isNodeId, isRandomId, maxEpoch, parseWhole, parseWholeWithin } from './ids.ts';

export interface AttachRequest {
  /** Of the follower's fence record. */
  readonly epoch: number;
  readonly nodeId: string;
  readonly logId: string;
  readonly outline: LogOutline;
}

/** The arguments after `CLUSTERX ATTACH`. */
export function formatAttachArguments({ epoch, nodeId, logId, outline }: AttachRequest): string[] {
  return [String(epoch), nodeId, logId, String(outline.latestSequence), formatEpochHistory(outline.history)];
}

/** Reads the arguments after `CLUSTERX ATTACH`; a refusal names the argument that is wrong. */
export function parseAttachArguments(
  args: readonly string[],
): { readonly kind: 'ok'; readonly request: AttachRequest } | Refused {
  if (args.length !== 5) return refuse('wrong number of arguments for CLUSTERX ATTACH');
  const [epochText = '', nodeId = '', logId = '', latestText = '', historyText = ''] = args;
  const epoch = parseWholeWithin(epochText, 1, maxEpoch);
  if (epoch === undefined) return refuse(`invalid attach: epoch '${epochText}', not 1..${maxEpoch}`);
  if (!isNodeId(nodeId)) return refuse(`invalid attach: node id '${nodeId}' is not 40 characters`);
  if (!isRandomId(logId)) return refuse(`invalid attach: log id '${logId}'`);
  const latestSequence = parseWhole(latestText);
  if (latestSequence === undefined) return refuse(`invalid attach: sequence '${latestText}' is not a whole number`);
  const history = parseEpochHistory(historyText);
  if (history === undefined) return refuse(`invalid attach: epoch history '${historyText}', expected e:s,… or -`);
  return { kind: 'ok', request: { epoch, nodeId, logId, outline: { history, latestSequence } } };
}

export type AttachVerdict =
  | Refused
  /** The follower is in a higher epoch: void the deadline at once (`stepDown`), then answer the error. */
  | { readonly kind: 'step-down'; readonly epoch: number; readonly error: string }
  /** `counts`: acknowledgements of this link may count for the ISR. */
  | { readonly kind: 'attached'; readonly common: LogEnd; readonly counts: boolean }
  | { readonly kind: 'full-sync'; readonly reason: string };

/** Judges ATTACH on the node that is asked to be followed; `outline` is of its own log. */
export function judgeAttach(
  record: FenceRecord,
  own: OwnIdentity,
  outline: LogOutline,
  request: AttachRequest,
): AttachVerdict {
  if (!record.armed) return refuse('node is not armed: attach by plain PSYNC');
  const isMaster = fencedRole(record, own) === 'master';
  if (request.epoch > record.epoch) {
    const error = `ERR stale epoch: this node is in ${record.epoch}, the follower in ${request.epoch}`;
    return isMaster ? { kind: 'step-down', epoch: request.epoch, error } : { kind: 'refused', error };
  }
  if (request.epoch < record.epoch)
    return refuse(`stale epoch: the follower is in ${request.epoch}, this node in ${record.epoch}`);
  if (request.nodeId === own.nodeId) return refuse('a node does not follow itself');
  const common = commonPoint(outline, request.outline);
  if (!isMaster) return judgeChained(common, request);
  if (common !== undefined) return { kind: 'attached', common, counts: true };
  // A checkpoint carries the epoch record, which makes the next attach comparable; without it, it would loop.
  if (logEnd(outline.history, outline.latestSequence).epoch !== record.epoch)
    return refuse(`epoch ${record.epoch} has not written yet: attach again`);
  return { kind: 'full-sync', reason: 'the last common entry cannot be told' };
}

/**
 * A node that is not the epoch's master may be followed, but nobody gives up anything for the sake of its log: it may be
 * a deposed master that has not rewound yet, and the follower a member that holds what was acknowledged since.
 */
function judgeChained(common: LogEnd | undefined, { outline }: AttachRequest): AttachVerdict {
  if (common === undefined || common.sequence < outline.latestSequence)
    return refuse('not the master of this epoch: the follower would have to give up entries');
  return { kind: 'attached', common, counts: false };
}

/** The reply line to ATTACH, without its CRLF. */
export function formatAttachReply(verdict: AttachVerdict): string {
  switch (verdict.kind) {
    case 'attached':
      return `+COMMON ${verdict.common.sequence} ${verdict.common.epoch}`;
    case 'full-sync':
      return `-${noCommonHistory}: ${verdict.reason}`;
    default:
      return `-${verdict.error}`;
  }
}

const noCommonHistory = 'ERR no common history';

export type AttachReply =
  | { readonly kind: 'common'; readonly common: LogEnd }
  | { readonly kind: 'full-sync' }
  | { readonly kind: 'not-armed' }
  /** Try again later; `error` for the log. */
  | { readonly kind: 'refused'; readonly error: string };

/** What the follower reads out of the reply line (with its first character, without CRLF). */
export function parseAttachReply(line: string): AttachReply {
  const common = /^\+COMMON ([0-9]+) ([0-9]+)$/.exec(line);
  const sequence = parseWhole(common?.[1] ?? '');
  const epoch = parseWhole(common?.[2] ?? '');
  if (sequence !== undefined && epoch !== undefined) return { kind: 'common', common: { epoch, sequence } };
  if (line.startsWith(`-${noCommonHistory}`)) return { kind: 'full-sync' };
  if (line.startsWith('-ERR node is not armed')) return { kind: 'not-armed' };
  return { kind: 'refused', error: line.startsWith('-') ? line.slice(1) : `unexpected answer to ATTACH: ${line}` };
}

function refuse(reason: string): Refused {
  return { kind: 'refused', error: `ERR ${reason}` };
}
