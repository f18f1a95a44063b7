/**
 * Errors by who must act (docs/reference/errors.md). Commands that are refused and topology answers are returned
 * values, not exceptions; what is thrown is one of the classes here, or an InvariantError.
 */

/** Bytes from a peer that break the protocol. One reply, then that connection is closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** What is known of an operation that failed. 'unknown' is never reported as success or as failure. */
export type Outcome = 'not-applied' | 'unknown';

/** Something outside the process failed: disk, network, store, balancer. Only a caller that knows idempotence retries. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
  /** Stable, `SUBSYSTEM_WHAT`; messages may change, codes may not. */
  readonly code: string;
  readonly outcome: Outcome;

  constructor(code: string, message: string, options: { outcome: Outcome; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.outcome = options.outcome;
  }
}

/** The environment does not allow the process to go on: the entry point prints the message and ends with `exitStatus`. */
export class FatalError extends Error {
  override readonly name = 'FatalError';
  readonly exitStatus: number;

  constructor(message: string, exitStatus = 1, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitStatus = exitStatus;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
