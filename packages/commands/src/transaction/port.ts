/** What the transaction commands need of the node: who watches which key, and running what was queued. */
import type { ReplyWriter } from '@holdfast/resp';
import type { Session } from '../session.ts';

export interface TransactionPort {
  /** WATCH of one key in the session's namespace. `key` is a view on the request: copy what is kept. */
  watch(session: Session, key: Buffer): void;
  /** Forgets every watched key of the session, and that one was written. */
  unwatch(session: Session): void;
  /**
   * EXEC of `session.queued`, which is there: ends the queue and the watching, then writes EXECABORT when
   * `session.queueRefused`, a nil array when a watched key was written, else the array of replies.
   */
  execute(session: Session, reply: ReplyWriter): void;
}
