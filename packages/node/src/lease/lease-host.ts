/** What the keeper of the lease is given of the node: its record's file, and who performs what it decides. */

/** fence.conf; both calls are synchronous, `save` returns after the fsync. */
export interface FenceFile {
  readonly path: string;
  load(): string | undefined;
  save(text: string): void;
}

export interface LeaseHost {
  /** The node stops being what it was: drop unreleased ticks, cut links, close clients. Synchronous. */
  roleChanging(reason: string): void;
  /** The role is the new one. */
  roleChanged(role: ActingRole): void;
  /** The in-sync set of the present epoch is another one than before. */
  isrChanged(): void;
  /**
   * An armed master is about to execute the first read or write of a tick: what must stand before it in the log (the
   * record that begins the epoch) is put into the tick now.
   */
  workAdmitted(): void;
  /** Held connections may be asked again. */
  resumeHeld(): void;
  /** The lapse lasted too long: close clients, paced. */
  lapsedTooLong(): void;
  /**
   * A switchover's clients are to be answered MOVED and closed.
   * @param sinceMs how long ago the epoch was resigned.
   */
  redirectClients(sinceMs: number): void;
  /** The record, role or health changed: heartbeat replies show it. */
  reportChanged(): void;
}

export type ActingRole = 'master' | 'replica' | 'none';
