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

/** Who does something to which key, known before it is sent. */
export interface Actor {
  readonly client: string;
  readonly phase: Phase;
  readonly shard: number;
  readonly address: string;
  readonly key: string;
}

/** What is known of a write or read of a register before it is sent. */
export interface Intent extends Actor {
  /** The value to write; a read when absent. */
  readonly value?: string;
}

type FieldOfAll = keyof Actor | 'invokedMs' | 'completedMs' | 'outcome' | 'reason' | 'node';
type OwnPart<T extends Operation> = T extends Operation ? Omit<T, FieldOfAll> : never;

/** The part of an operation's record that its kind alone has. */
export type Part = OwnPart<Operation>;

/** An operation of any kind: how it is recorded. */
export interface Deed {
  /** What is recorded when it got no answer, or was refused. */
  readonly unanswered: Part;
  /** What is recorded of a reply that is no error; undefined when no such reply can be. */
  answered(reply: Reply): Part | undefined;
}

export interface Pending extends Actor {
  readonly op: Operation['op'];
}

export type End =
  | { readonly kind: 'reply'; readonly part: Part }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'not-sent'; readonly message: string }
  | { readonly kind: 'unknown'; readonly message: string };

export class Recorder {
  readonly operations: Operation[] = [];
  /** How many of them have an unknown outcome. */
  unknownCount = 0;
  readonly #open = new Set<Pending>();
  readonly #clock: RunClock;

  constructor(clock: RunClock) {
    this.#clock = clock;
  }

  /** Operations that were sent and have not ended. */
  get underWay(): readonly Pending[] {
    return [...this.#open];
  }

  /**
   * Sends one write or read of a register and records its end. Never rejects.
   * @param send hands the command to the socket before it returns.
   * @param node asked when the end is known: the node at the other end of the connection.
   */
  record(intent: Intent, send: () => Promise<Reply>, node: () => string | null): Promise<End> {
    const { value, ...actor } = intent;
    return this.recordDeed(actor, value === undefined ? readDeed : writeDeed(value), send, node);
  }

  /** As `record`, for an operation of any kind. */
  async recordDeed(actor: Actor, deed: Deed, send: () => Promise<Reply>, node: () => string | null): Promise<End> {
    const invokedMs = this.#clock.nowMs();
    const pending = { ...actor, op: deed.unanswered.op };
    this.#open.add(pending);
    const end = await endOf(send(), deed);
    this.#open.delete(pending);
    if (end.kind === 'unknown') this.unknownCount++;
    if (end.kind !== 'not-sent')
      this.operations.push({
        ...actor,
        ...(end.kind === 'reply' ? end.part : deed.unanswered),
        invokedMs,
        completedMs: this.#clock.nowMs(),
        outcome: end.kind === 'reply' ? 'ok' : end.kind === 'refused' ? 'failed' : 'unknown',
        reason: end.kind === 'reply' ? null : end.message,
        node: node(),
      });
    return end;
  }
}

/** GET. */
export const readDeed: Deed = {
  unanswered: { op: 'read', value: null },
  answered: (reply) => {
    if (reply === null) return { op: 'read', value: null };
    const value = textOf(reply);
    return value === undefined ? undefined : { op: 'read', value };
  },
};

function writeDeed(value: string): Deed {
  const part = { op: 'write', value } as const;
  return { unanswered: part, answered: (reply) => (reply === 'OK' ? part : undefined) };
}

async function endOf(sent: Promise<Reply>, deed: Deed): Promise<End> {
  try {
    const reply = await sent;
    if (reply instanceof ReplyError) return { kind: 'refused', message: reply.message };
    const part = deed.answered(reply);
    return part === undefined
      ? { kind: 'unknown', message: `unexpected reply ${JSON.stringify(reply)}` }
      : { kind: 'reply', part };
  } catch (error) {
    const isUnsent = error instanceof OperationError && error.outcome === 'not-applied';
    return { kind: isUnsent ? 'not-sent' : 'unknown', message: messageOf(error) };
  }
}
