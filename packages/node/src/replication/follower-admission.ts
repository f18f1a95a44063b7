/**
 * Who may follow this node, and as what: what a connection said of itself (REPLCONF, CLUSTERX ATTACH) before it asked for
 * the log (PSYNC). A follower counts for the in-sync set only when it attached on the same connection, in the epoch that
 * still is the node's, and asks for the log behind an entry that both have.
 */
import type { Announcement, Session } from '@holdfast/commands';
import type { IsrMember, LogEnd } from '@holdfast/fencing';
import {
  openPlace,
  promptAckCapability,
  type FollowerIdentity,
  type IdHistory,
  type LogPlace,
  type PsyncRequest,
  type ReplicatedLog,
} from '@holdfast/replication';

/** What CLUSTERX ATTACH was answered on a connection. */
export interface Attachment {
  readonly epoch: number;
  readonly member: IsrMember;
  readonly common: LogEnd;
  /** Its acknowledgements may count: the node is the master of that epoch. */
  readonly counts: boolean;
}

export type Admitted = { readonly identity: FollowerIdentity; readonly place: LogPlace } | string;

/** Not an `ERR`, which would make the replica take a whole copy: it comes back and attaches anew. */
const otherEpoch = 'MASTERDOWN the epoch has changed since the attach: attach again';

export class FollowerAdmission {
  readonly #announcements = new WeakMap<Session, Announcement>();
  readonly #attachments = new WeakMap<Session, Attachment>();

  announce(session: Session, announcement: Announcement): void {
    this.#announcements.set(session, { ...this.#announcements.get(session), ...announcement });
  }

  noteAttach(session: Session, attachment: Attachment): void {
    this.#attachments.set(session, attachment);
  }

  /**
   * Decides PSYNC.
   * @param epoch of the node's fence record; undefined while it is not armed.
   * @returns who follows and from where, or the error line.
   */
  admit(
    session: Session,
    request: PsyncRequest,
    { log, ids, epoch }: { readonly log: ReplicatedLog; readonly ids: IdHistory; readonly epoch: number | undefined },
  ): Admitted {
    const attachment = this.#attachments.get(session);
    if (attachment !== undefined && attachment.epoch !== epoch) return otherEpoch;
    if (attachment !== undefined && request.nextSequence !== attachment.common.sequence + 1)
      return `ERR attached at ${attachment.common.sequence}, but asks for ${request.nextSequence}`;
    const place = openPlace(log, ids, request);
    if (typeof place === 'string') return place;
    const said = this.#announcements.get(session);
    return {
      place,
      identity: {
        host: said?.host ?? hostOf(session.peer),
        port: said?.listeningPort ?? 0,
        acksPromptly: said?.capability === promptAckCapability,
        member: attachment?.counts === true ? attachment.member : undefined,
      },
    };
  }
}

/** `host:port` or `[host]:port` -> host. */
function hostOf(peer: string): string {
  return peer.slice(0, peer.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}
