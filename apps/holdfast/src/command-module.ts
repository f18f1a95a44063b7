/** What a file in commands/ exports. */

/** Exit statuses of every subcommand (docs/reference/cli.md). */
export const exitStatus = { ok: 0, failed: 1, usage: 2, environment: 3 } as const;

export interface CommandModule {
  /**
   * Runs the subcommand with what follows its name.
   * @returns the exit status.
   * @throws CommanderError for wrong usage and for `--help`, FatalError and OperationError to end with their message.
   */
  run(args: readonly string[]): Promise<number>;
}
