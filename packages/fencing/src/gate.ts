/**
 * The gates: may this be executed, committed, released, now?
 *
 * The caller reads the clock and the shared word anew at each of the three places (admission of a tick, commit,
 * release): a process may have been stopped between any two of its instructions, and a timer fires after the data that
 * waited with it. A command has three ends, and the answers here keep them apart: refused before execution (an error),
 * released (a reply), unknown (closed, no bytes). Whatever may have been executed never gets an error.
 *
 * While the lease of an unchanged role has merely lapsed nothing is thrown away: sockets are not read, ticks wait, and a
 * renewal in the same epoch lets all go on. (Nobody else was promoted then: grants of an epoch stop for good before the
 * next one begins.) After `lapseLimitMs` connections are closed, paced; closing at once would make a reconnect storm
 * that costs the next lease too.
 */
import type { LeaseMode } from './fence-record.ts';
import { isLeaseValid, type LeaseWord } from './lease-word.ts';

/** How long clients are held while a lease has lapsed, after a resignation, or while a young replica attaches. */
export const lapseLimitMs = 300;

/** Everything a gate looks at. The node keeps one object and refreshes it; the gates keep nothing. */
export interface GateFacts {
  readonly armed: boolean;
  readonly mode: LeaseMode;
  /** `actingRole` of the fence record. */
  readonly role: 'master' | 'replica' | 'none';
  /** Of the fence record. */
  readonly epoch: number;
  /** The shared word, unpacked; on a node that is not armed only `deadlineMs` counts (0: never heartbeated). */
  readonly word: LeaseWord;
  /** Lease clock, read for this question. */
  readonly nowMs: number;
  /** Lease clock when the role was taken; a lapse cannot have begun before it. */
  readonly roleSinceMs: number;
  /**
   * After RESIGN: lease clock since when clients are held for their redirection, RESIGN itself for those of that moment
   * and later for those who came after they were answered (also when the next SHARD or SETNODES came first); `-Infinity`
   * once the shard's address is known to lead elsewhere: nobody is held any more; `undefined` otherwise.
   */
  readonly resignedAtMs: number | undefined;
  /** True while a switchover's HOLD is in force: admit nothing, but commit and release what was admitted. */
  readonly isHeld: boolean;
  /** Replicas: attached to the master since the last role change or start. */
  readonly isAttached: boolean;
}

/**
 * What the command table says of a command. `control` touches neither keys nor topology (PING, AUTH, INFO, CONFIG,
 * CLUSTERX): it needs no lease. Topology questions are `read`: a master without a lease must not answer them.
 */
export type CommandKind = 'read' | 'write' | 'control';

/**
 * - `execute`, `execute-and-log` (mode log-only: executed, and the lapse is worth a line)
 * - `hold`: leave it unread or unexecuted; ask again when the word changes or `heldUntilMs` has come
 * - `close`: end the connection without bytes, paced
 * - `refuse-lapsed`: `CLUSTERDOWN …`, then close (fresh connections: nothing of theirs was executed)
 * - `refuse-expired`: upstream's `master lease expired` error; the connection lives (mode block-write)
 * - `redirect`: after a switchover: `MOVED <slot> <LB address of the new master>` (keyless: nothing), then orderly close
 * - `master-down`: `MASTERDOWN …`: a replica that may be arbitrarily old
 * - `await-master`: the same of a replica that took its role a moment ago: as `hold` for what would be answered so; the
 *   rest (redirections, topology questions) is answered as ever. In a switchover the link flows within that time, and
 *   readers that the balancer leads from one replica to the next see no error
 */
export type Admission =
  | 'execute'
  | 'execute-and-log'
  | 'hold'
  | 'close'
  | 'refuse-lapsed'
  | 'refuse-expired'
  | 'redirect'
  | 'master-down'
  | 'await-master';

/** Error replies that belong to the decisions above. */
export const gateErrors = {
  lapsed: 'CLUSTERDOWN The master lease of this node has lapsed',
  expired: 'ERR master lease expired',
  masterDown: 'MASTERDOWN Link with MASTER is down and the replica has not attached since its last role change',
} as const;

/** True while an armed master may act: its own epoch's lease runs and it did not resign. */
export function holdsLease(facts: GateFacts): boolean {
  return (
    facts.role === 'master' && facts.resignedAtMs === undefined && isLeaseValid(facts.word, facts.epoch, facts.nowMs)
  );
}

/**
 * The admission gate.
 * @param isFresh the connection has executed nothing yet and was accepted while the node could not serve it.
 */
export function admit(facts: GateFacts, command: CommandKind, isFresh: boolean): Admission {
  if (command === 'control') return 'execute';
  if (!facts.armed) return facts.isHeld ? 'hold' : admitUnarmed(facts, command);
  if (facts.resignedAtMs !== undefined) return facts.nowMs < facts.resignedAtMs + lapseLimitMs ? 'hold' : 'redirect';
  // Writes on a replica are answered by routing (MOVED, READONLY); reads that routing lets pass are served here.
  if (facts.role === 'replica') {
    if (facts.isAttached || command === 'write') return 'execute';
    return facts.nowMs < heldUntilMs(facts) ? 'await-master' : 'master-down';
  }
  if (holdsLease(facts)) return facts.isHeld ? 'hold' : 'execute';
  if (isFresh) return 'refuse-lapsed';
  if (facts.role === 'none') return 'close';
  return facts.nowMs < heldUntilMs(facts) ? 'hold' : 'close';
}

/** Lease clock at which holding ends and closing (or redirecting) begins, while nothing is renewed. */
export function heldUntilMs(facts: GateFacts): number {
  if (facts.resignedAtMs !== undefined) return facts.resignedAtMs + lapseLimitMs;
  const lapsedAtMs = facts.word.epoch === facts.epoch ? facts.word.deadlineMs : 0;
  return Math.max(lapsedAtMs, facts.roleSinceMs) + lapseLimitMs;
}

function admitUnarmed(facts: GateFacts, command: 'read' | 'write'): Admission {
  if (command === 'read' || facts.role !== 'master' || facts.mode === 'disabled') return 'execute';
  const { deadlineMs } = facts.word;
  if (deadlineMs === 0 || facts.nowMs <= deadlineMs) return 'execute';
  return facts.mode === 'log-only' ? 'execute-and-log' : 'refuse-expired';
}

/** `hold`: keep it and ask again; `drop`: it never happened, its connections are closed without bytes. */
export type CommitDecision = 'commit' | 'hold' | 'drop';

/**
 * The commit gate: no batch of an armed node without a lease, whoever built it. `roleEpoch` is the epoch in which the
 * tick was opened: an epoch that passed in between makes its effects nobody's.
 */
export function mayCommit(facts: GateFacts, roleEpoch: number): CommitDecision {
  if (!facts.armed) return 'commit';
  if (facts.role !== 'master' || facts.epoch !== roleEpoch || facts.resignedAtMs !== undefined) return 'drop';
  if (holdsLease(facts)) return 'commit';
  return facts.nowMs < heldUntilMs(facts) ? 'hold' : 'drop';
}

/** `close`: the connection ends without bytes; its commands may or may not have taken effect. */
export type ReleaseDecision = 'release' | 'hold' | 'close';

/**
 * The release gate, for every byte a tick emits, replies of reads included. Committed before a resignation or an end of
 * the epoch is no licence to answer after it, except that RESIGN itself waits for the release of what it finds committed
 * (the caller asks here before it records the resignation).
 */
export function mayRelease(facts: GateFacts, roleEpoch: number): ReleaseDecision {
  if (!facts.armed) return 'release';
  if (facts.epoch !== roleEpoch) return 'close';
  if (facts.resignedAtMs !== undefined) return 'close';
  if (facts.role === 'replica') return 'release';
  if (facts.role === 'none') return 'close';
  if (holdsLease(facts)) return 'release';
  return facts.nowMs < heldUntilMs(facts) ? 'hold' : 'close';
}
