/**
 * What the dispatcher knows as the engine, with the outbox tied to it: a message is taken back with the writes of the
 * command that sent it.
 */
import type { Engine, KeyVisitor } from '@holdfast/engine';
import type { Outbox, Recipient } from './outbox.ts';

type Savepoints = Pick<
  Engine,
  | 'openTickBytes'
  | 'beginCommand'
  | 'rollbackCommand'
  | 'beginAtomic'
  | 'endAtomic'
  | 'rollbackAtomic'
  | 'visitWrittenKeys'
>;

export function withMessages(engine: Savepoints, outbox: Outbox<Recipient>): Savepoints {
  return new WithMessages(engine, outbox);
}

/** A class, since V8 keeps a literal with an accessor as a dictionary, in which every command would search twice. */
class WithMessages implements Savepoints {
  readonly #engine: Savepoints;
  readonly #outbox: Outbox<Recipient>;
  #command = 0;
  #atomic = 0;

  constructor(engine: Savepoints, outbox: Outbox<Recipient>) {
    this.#engine = engine;
    this.#outbox = outbox;
  }

  get openTickBytes(): number {
    return this.#engine.openTickBytes;
  }

  beginCommand(): void {
    this.#command = this.#outbox.length;
    this.#engine.beginCommand();
  }

  rollbackCommand(): void {
    this.#outbox.truncate(this.#command);
    this.#engine.rollbackCommand();
  }

  beginAtomic(): void {
    this.#atomic = this.#outbox.length;
    this.#engine.beginAtomic();
  }

  endAtomic(): void {
    this.#engine.endAtomic();
  }

  rollbackAtomic(): void {
    this.#outbox.truncate(this.#atomic);
    this.#engine.rollbackAtomic();
  }

  visitWrittenKeys(visitor: KeyVisitor): void {
    this.#engine.visitWrittenKeys(visitor);
  }
}
