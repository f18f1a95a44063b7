/** What a session of a client library is given. It rejects at the first thing the library makes of a reply that is not right. */
export interface SessionWorld {
  readonly port: number;
  readonly protocol: 2 | 3;
  /** Resolves when so many clients wait at the node. */
  blockedClients(count: number): Promise<void>;
}

export type Session = (world: SessionWorld) => Promise<void>;
