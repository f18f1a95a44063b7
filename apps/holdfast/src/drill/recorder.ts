/**
 * Writes a history down while it happens. An operation is recorded when its end is known: a reply, a refusal, or the loss
 * of its connection. One clock for all: the lease clock since the run began.
 */
import { OperationError, messageOf } from '@holdfast/base';
import type { Operation, Phase } from '@holdfast/history';
import { ReplyError, textOf, type Reply } from '@holdfast/resp';

/** Time since the run began, in milliseconds, and the wall time of its beginning. */
export interface RunClock {
  nowMs(): number;
  readonly startedWallMs: number;
}

/** What is known of an operation before it is sent. */
export interface Intent {
  readonly client: string;
  readonly phase: Phase;
  readonly shard: number;
  readonly address: string;
  readonly key: string;
  /** The value to write; a read when absent. */
  readonly value?: string;
}

export type End =
  | { readonly kind: 'reply'; readonly value: string | null }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'not-sent'; readonly message: string }
  | { readonly kind: 'unknown'; readonly message: string };

export class Recorder {
  readonly operations: Operation[] = [];
  /** How many of them have an unknown outcome. */
  unknownCount = 0;
  readonly #open = new Set<Intent>();
  readonly #clock: RunClock;

  constructor(clock: RunClock) {
    this.#clock = clock;
  }

  /** Operations that were sent and have not ended. */
  get underWay(): readonly Intent[] {
    return [...this.#open];
  }

  /**
   * Sends one operation and records its end. Never rejects.
   * @param send hands the command to the socket before it returns.
   * @param node asked when the end is known: the node at the other end of the connection.
   */
  async record(intent: Intent, send: () => Promise<Reply>, node: () => string | null): Promise<End> {
    const invokedMs = this.#clock.nowMs();
    this.#open.add(intent);
    const end = await endOf(send(), intent.value !== undefined);
    this.#open.delete(intent);
    if (end.kind === 'unknown') this.unknownCount++;
    if (end.kind !== 'not-sent') this.operations.push(this.#operation(intent, end, invokedMs, node()));
    return end;
  }

  #operation(intent: Intent, end: End, invokedMs: number, node: string | null): Operation {
    const { value, ...rest } = intent;
    const common = {
      ...rest,
      invokedMs,
      completedMs: this.#clock.nowMs(),
      outcome: end.kind === 'reply' ? 'ok' : end.kind === 'refused' ? 'failed' : 'unknown',
      reason: end.kind === 'reply' ? null : end.message,
      node,
    } as const;
    if (value !== undefined) return { op: 'write', ...common, value };
    return { op: 'read', ...common, value: end.kind === 'reply' ? end.value : null };
  }
}

async function endOf(reply: Promise<Reply>, isWrite: boolean): Promise<End> {
  try {
    const value = await reply;
    if (value instanceof ReplyError) return { kind: 'refused', message: value.message };
    if (isWrite && value !== 'OK') return { kind: 'unknown', message: `unexpected reply ${JSON.stringify(value)}` };
    if (value === null) return { kind: 'reply', value: null };
    const text = textOf(value);
    return text === undefined
      ? { kind: 'unknown', message: `unexpected reply ${JSON.stringify(value)}` }
      : { kind: 'reply', value: text };
  } catch (error) {
    const isUnsent = error instanceof OperationError && error.outcome === 'not-applied';
    return { kind: isUnsent ? 'not-sent' : 'unknown', message: messageOf(error) };
  }
}
