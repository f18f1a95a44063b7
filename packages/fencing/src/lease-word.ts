/**
 * One 64-bit word shared by the main loop and the control thread: the epoch in which this process may act as master and
 * the end of its lease.
 *
 * Epoch and deadline travel together, changed only by compare-and-swap, so the control thread can never put a deadline
 * of one epoch onto another: it renews only what the word says, and the main loop, which alone changes the epoch, wins
 * every race because the renewer's expected word no longer matches. Epoch 0 is "no mastership to renew" (replica,
 * resigned, restarted); a resignation is therefore one store, after which no renewal in flight can succeed.
 *
 * Layout: bit 63 zero, 24 bits of epoch, 39 bits of deadline in whole milliseconds of the lease clock (17 years of
 * uptime), rounded down, which is the safe side.
 */
import { assert } from '@holdfast/base';
import { maxEpoch } from './ids.ts';

const deadlineBits = 39n;
const deadlineMask = (1n << deadlineBits) - 1n;
const maxDeadlineMs = Number(deadlineMask);

export interface LeaseWord {
  /** 0: no mastership. */
  readonly epoch: number;
  /** Lease clock; 0: void. */
  readonly deadlineMs: number;
}

/** The word of a node that holds no mastership. */
export const closedWord: bigint = 0n;

/** @throws InvariantError when a part does not fit. */
export function packWord({ epoch, deadlineMs }: LeaseWord): bigint {
  assert(Number.isInteger(epoch) && epoch >= 0 && epoch <= maxEpoch, `epoch ${epoch} does not fit into the lease word`);
  assert(deadlineMs >= 0 && deadlineMs <= maxDeadlineMs, `deadline ${deadlineMs} ms does not fit into the lease word`);
  return (BigInt(epoch) << deadlineBits) | BigInt(Math.floor(deadlineMs));
}

export function unpackWord(word: bigint): LeaseWord {
  return { epoch: Number(word >> deadlineBits), deadlineMs: Number(word & deadlineMask) };
}

/** The word of a process that just took the master role in `epoch`: no lease yet. */
export function masteredWord(epoch: number): bigint {
  return packWord({ epoch, deadlineMs: 0 });
}

/**
 * The word after a renewal, or `undefined` when it changes nothing: another epoch, no mastership, or a deadline that is
 * not later. The caller swaps it in with compare-and-exchange against `word` and, on failure, asks again with the word
 * it found.
 */
export function renewedWord(word: bigint, epoch: number, deadlineMs: number): bigint | undefined {
  const current = unpackWord(word);
  if (current.epoch === 0 || current.epoch !== epoch || Math.floor(deadlineMs) <= current.deadlineMs) return undefined;
  return packWord({ epoch, deadlineMs });
}

/** True while the lease of `epoch` runs. A deadline is the first instant that no longer counts. */
export function isLeaseValid(word: LeaseWord, epoch: number, nowMs: number): boolean {
  return epoch !== 0 && word.epoch === epoch && nowMs < word.deadlineMs;
}
