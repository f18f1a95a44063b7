/** An operator's failover or switchover, from the question to its answer. */
import { messageOf, OperationError } from '@holdfast/base';
import type { ShardHost } from './shard-host.ts';
import { throwIfError } from './shard-steps.ts';

export interface RequestOutcome {
  readonly newMasterId: string;
  readonly epoch: number;
  readonly durationMs: number;
}

export interface OperatorRequest {
  readonly kind: 'failover' | 'switchover';
  /** Lease clock. */
  readonly beganMs: number;
  readonly candidateId: string;
  /** Switchover before its commit: lease clock of the HOLD, and what it answered. */
  holdBeganMs: number | undefined;
  heldSequence: number | undefined;
  resolve(outcome: RequestOutcome): void;
  reject(error: OperationError): void;
}

/** CONTROLLER_REFUSED: the request cannot be carried out now; the message says why. */
export function refused(reason: string): OperationError {
  return new OperationError('CONTROLLER_REFUSED', reason, { outcome: 'not-applied' });
}

/**
 * HOLD: the master admits nothing more and says its sequence.
 * @throws OperationError when it did not; the hold, if any, was given back.
 */
export async function holdClients(host: ShardHost, nodeId: string, epoch: number, holdMs: number): Promise<number> {
  const watch = host.watch(nodeId);
  if (watch === undefined) throw refused(`node ${nodeId} is not watched`);
  try {
    const reply = await watch.command(['CLUSTERX', 'HOLD', String(epoch), String(Math.ceil(holdMs))], holdMs);
    throwIfError(watch, 'HOLD', reply);
    const sequence = Number(reply);
    if (Number.isSafeInteger(sequence)) return sequence;
    throw refused(`node ${nodeId} answered HOLD with '${String(reply)}'`);
  } catch (error) {
    unholdClients(host, nodeId, epoch);
    throw error;
  }
}

/** The hold ends by itself; this only ends it earlier. */
export function unholdClients(host: ShardHost, nodeId: string, epoch: number): void {
  const watch = host.watch(nodeId);
  watch?.command(['CLUSTERX', 'UNHOLD', String(epoch)]).catch((error: unknown) => {
    host.logger.warn('UNHOLD did not reach the master', { node: nodeId, error: messageOf(error) });
  });
}
