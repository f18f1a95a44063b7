/** What the replication commands need of the node. The node's Replicator implements it. */
import type { Session } from '../session.ts';

/** What a replica says about itself with REPLCONF before PSYNC; what is absent was not said. */
export interface Announcement {
  readonly listeningPort?: number;
  readonly host?: string;
  readonly capability?: string;
}

export type RoleFacts =
  | {
      readonly role: 'master';
      readonly sequence: number;
      readonly replicas: readonly { readonly host: string; readonly port: number; readonly offset: number }[];
    }
  | {
      readonly role: 'replica';
      readonly host: string;
      readonly port: number;
      readonly state: 'connected' | 'sync' | 'connecting';
      readonly sequence: number;
    };

export interface ReplicationPort {
  /** `db-name`. */
  databaseName(): string;
  /** The role is the topology's business: SLAVEOF is refused. */
  clusterEnabled(): boolean;
  /** `rocksdb.write_options.disable_wal`: there is nothing to replicate. */
  walDisabled(): boolean;
  /** Remembers it for this connection until PSYNC. */
  announce(session: Session, announcement: Announcement): void;
  /**
   * Decides PSYNC; when it is granted, takes the connection over and answers it.
   * @returns the error line of a refusal.
   */
  attach(
    session: Session,
    request: { readonly nextSequence: number; readonly replicationId: string | undefined },
  ): string | undefined;
  /** Takes the connection over, answers `_fetch_meta` and closes it. */
  sendCheckpointNames(session: Session): void;
  /** Takes the connection over, answers `_fetch_file` and closes it. */
  sendCheckpointFiles(session: Session, names: readonly string[]): void;
  /** SLAVEOF: resolves the name and follows. Calls `answer` once with the error line of a refusal, or undefined. */
  followNamed(host: string, port: number, answer: (refusal: string | undefined) => void): void;
  /** SLAVEOF NO ONE: applies what was received, then is master. Calls `answer` once, as `followNamed`. */
  followNobody(answer: (refusal: string | undefined) => void): void;
  role(): RoleFacts;
  /** WAIT: puts off the session's reply: the number of replicas that acknowledged everything visible now. */
  waitForAcks(replicas: number, timeoutMs: number, session: Session): void;
  /** How many that are now. */
  ackedReplicas(): number;
}
