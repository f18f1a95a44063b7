/** What NAMESPACE needs of the node. */
export interface NamespacePort {
  /** `requirepass`; empty when none is set. */
  password(): string;
  masterPassword(): string;
  readonly isCluster: boolean;
  /** They are records of the database, which replicas get, and not lines of the configuration file. */
  inDatabase(): boolean;
  isReplica(): boolean;
  /** There is a place to keep them: a configuration file, or the database. */
  canKeep(): boolean;
  /** Token by name. */
  tokens(): ReadonlyMap<string, string>;
  /**
   * Gives a namespace a token, or (undefined) takes it away, and keeps that: in the open tick, or in the file before it returns.
   * @returns an error line when it could not be kept; then nothing has changed.
   */
  change(name: string, token: string | undefined): string | undefined;
}
