/**
 * What keeps a connection busy after its command has run: a wait, a put-off reply, a reply in slices, a script in turns.
 * Until it ends the connection executes nothing further; other connections go on.
 */
import type { ReplyWriter } from '@holdfast/resp';

export interface Occupation {
  /**
   * It waits and has changed nothing: shown as blocked, ended by CLIENT UNBLOCK and, with an error, by a role change, and
   * given up when the peer ends its side.
   */
  readonly isWait: boolean;
  /** Part of its reply has been written: nothing else may come in between. */
  readonly isReply: boolean;
  /** Memory that it keeps for its client; absent: next to nothing. */
  readonly bytes?: number;
  /** It may not go on now, and is asked again when what is held may be admitted. */
  readonly isHeld?: boolean;
  /** Writes the reply of a timeout. Called only while `isWait`. */
  expire(reply: ReplyWriter): void;
  /**
   * It is over for the connection, which goes or answers in its place: lets everything go. Not called when it ends by
   * itself (`finish`).
   */
  left(): void;
  /** The connection takes more output. May be called too often. */
  onRoom?(): void;
  /** What was held may be admitted again. May be called too often. */
  askAgain?(): void;
}

/** Redis' texts. */
export const unblockedErrors = {
  byCommand: 'UNBLOCKED client unblocked via CLIENT UNBLOCK',
  byRoleChange: 'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
} as const;
