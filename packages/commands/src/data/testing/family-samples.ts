/** What a family gives to the checks of all declarations. */
export interface FamilySamples {
  /** Command lines that make the keys the samples work on; key names are the family's own (`list:a`). */
  readonly prepare: readonly string[];
  /**
   * One line per command, doing its main work on those keys. Words are separated by blanks; it must answer no error, write
   * if and only if the command is declared to, and touch exactly the keys it declares.
   */
  readonly samples: readonly string[];
  /** Commands that ask for no type: they overwrite, or answer as for a missing key. */
  readonly typeless?: readonly string[];
  /** Commands whose sample changes nothing although they write (a wait, a condition), or the like; with the reason. */
  readonly exceptions?: Readonly<Record<string, string>>;
}
