/**
 * The controller's side of the lease: what it has promised, and until when.
 *
 * A node counts its lease from the clock reading in the token; this controller counts its promise from when the reply
 * with that token *arrived*, which is later, plus a hundredth for clocks of different speed. So the promise always ends
 * after the lease, without comparing clocks of two machines.
 *
 * To promote somebody the leader asks every controller to withhold the epochs so far and waits for the longest promise
 * of a majority. Withholding is final: it begins before the compare-and-set of the next epoch is sent and is not taken
 * back, whatever that leads to. A controller that has just started cannot know what its predecessor promised and answers
 * a whole lease, counted from when it had read the store.
 *
 * One state per shard. Tokens are kept only while they may be echoed.
 */

/** Replies whose tokens may still be echoed: one heartbeat is in flight, a few more cover reconnects. */
const arrivalsMax = 16;

export interface Grantor {
  /** Nobody grants this epoch or a lower one any more. */
  readonly withheldThrough: number;
  /** The end of the longest promise for any epoch, on this controller's lease clock. */
  readonly promiseEndsMs: number;
  /** When the reply with a token arrived, oldest first. */
  readonly arrivals: ReadonlyMap<string, number>;
}

/** The longest that a lease granted on a token which arrived at `arrivedMs` may run. */
export function promiseEndMs(arrivedMs: number, leaseMs: number): number {
  return arrivedMs + leaseMs + leaseMs / 100;
}

/**
 * The state of a controller that has just read the shard's record.
 * @param leaseMs the largest lease of the record; 0 when the shard never had an epoch.
 */
export function startGrantor(nowMs: number, leaseMs: number): Grantor {
  return { withheldThrough: 0, promiseEndsMs: promiseEndMs(nowMs, leaseMs), arrivals: new Map() };
}

/** Notes that the heartbeat reply with `token` arrived. The first arrival of a token counts. */
export function noteToken(grantor: Grantor, token: string, arrivedMs: number): Grantor {
  if (token === '' || grantor.arrivals.has(token)) return grantor;
  const arrivals = new Map(grantor.arrivals);
  arrivals.set(token, arrivedMs);
  for (const oldest of arrivals.keys()) {
    if (arrivals.size <= arrivalsMax) break;
    arrivals.delete(oldest);
  }
  return { ...grantor, arrivals };
}

export type Grant =
  | { readonly kind: 'granted'; readonly grantor: Grantor }
  | { readonly kind: 'not-granted'; readonly reason: 'withheld' | 'unknown-token' };

/**
 * Promises a lease in `epoch` on `token`, to be called right before the heartbeat with it is sent. A token whose arrival
 * is not known (forgotten, or another controller's) is not echoed: its promise would have no end.
 */
export function grant(grantor: Grantor, { epoch, token, leaseMs }: GrantRequest): Grant {
  if (epoch <= grantor.withheldThrough) return { kind: 'not-granted', reason: 'withheld' };
  const arrivedMs = grantor.arrivals.get(token);
  if (arrivedMs === undefined) return { kind: 'not-granted', reason: 'unknown-token' };
  const promiseEndsMs = Math.max(grantor.promiseEndsMs, promiseEndMs(arrivedMs, leaseMs));
  return { kind: 'granted', grantor: { ...grantor, promiseEndsMs } };
}

export interface GrantRequest {
  readonly epoch: number;
  readonly token: string;
  readonly leaseMs: number;
}

/** From now on this controller grants no epoch up to `epoch`. Asked twice it is the same answer. */
export function withhold(grantor: Grantor, epoch: number): Grantor {
  return { ...grantor, withheldThrough: Math.max(grantor.withheldThrough, epoch) };
}

/** One controller's answer to "withhold epoch e". */
export interface WithholdAnswer {
  readonly controllerId: string;
  /** On the asking leader's lease clock: arrival of the answer plus what it said may still run, plus a hundredth. */
  readonly promiseEndsMs: number;
}

/**
 * When every lease of the withheld epochs has surely ended: the instant by which the promises of a majority of
 * `controllers` have; `undefined` until a majority answered. A lease needs a majority whose promises still run, and any
 * two majorities share a controller. So an answer that comes late, or from a controller that heard the old master longer
 * than the others, delays nobody as long as a majority does without it.
 */
export function promisesEndMs(answers: readonly WithholdAnswer[], controllers: readonly string[]): number | undefined {
  const counted = controllers.length === 0 ? [''] : controllers;
  const ends = new Map<string, number>();
  for (const { controllerId, promiseEndsMs } of answers) {
    if (counted.includes(controllerId)) ends.set(controllerId, Math.max(ends.get(controllerId) ?? 0, promiseEndsMs));
  }
  const majority = Math.floor(counted.length / 2) + 1;
  return [...ends.values()].sort((a, b) => a - b)[majority - 1];
}
