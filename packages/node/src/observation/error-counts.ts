/** INFO errorstats: how many error replies began with which word. Scripts may invent words, so they are bounded. */
const kindsMax = 128;

export class ErrorCounts {
  readonly #counts = new Map<string, number>();
  total = 0;

  /** @param message the whole error line. */
  count(message: string): void {
    this.total++;
    const blank = message.indexOf(' ');
    const kind = blank < 0 ? message : message.slice(0, blank);
    const before = this.#counts.get(kind);
    if (before === undefined && (this.#counts.size >= kindsMax || !/^[!-~]{1,64}$/.test(kind))) return;
    this.#counts.set(kind, (before ?? 0) + 1);
  }

  /** In alphabetical order. */
  get kinds(): readonly (readonly [kind: string, count: number])[] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  clear(): void {
    this.#counts.clear();
    this.total = 0;
  }
}
