/**
 * What the dispatcher knows as the engine, with the outbox tied to it: a message is taken back with the writes of the
 * command that sent it.
 */
import type { Engine } from '@holdfast/engine';
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
  let command = 0;
  let atomic = 0;
  return {
    get openTickBytes() {
      return engine.openTickBytes;
    },
    beginCommand: (): void => {
      command = outbox.length;
      engine.beginCommand();
    },
    rollbackCommand: (): void => {
      outbox.truncate(command);
      engine.rollbackCommand();
    },
    beginAtomic: (): void => {
      atomic = outbox.length;
      engine.beginAtomic();
    },
    visitWrittenKeys: (visitor) => engine.visitWrittenKeys(visitor),
    endAtomic: (): void => engine.endAtomic(),
    rollbackAtomic: (): void => {
      outbox.truncate(atomic);
      engine.rollbackAtomic();
    },
  };
}
