/**
 * What the bench is doing now, and how long it may still take: one line that is overwritten. Without a terminal a line for
 * each larger step, which a log can hold.
 */

const widthMax = 100;

export class Progress {
  readonly #write: (text: string) => void;
  readonly #isTerminal: boolean;
  #steps = 0;
  #done = 0;
  #startedAt = performance.now();

  constructor(stream: { readonly isTTY?: boolean; write(text: string): unknown } = process.stderr) {
    this.#isTerminal = stream.isTTY === true;
    this.#write = (text) => void stream.write(text);
  }

  /** How many steps are to come; the time to the end is reckoned from those that were done. */
  expect(steps: number): void {
    this.#steps = steps;
    this.#done = 0;
    this.#startedAt = performance.now();
  }

  /** The next step begins. */
  step(what: string): void {
    this.#show(`[${this.#done + 1}/${this.#steps}] ${what}${this.#timeLeft()}`);
    this.#done++;
  }

  /** Something larger begins. */
  say(what: string): void {
    if (this.#isTerminal) this.#show(what);
    else this.#write(`bench: ${what}\n`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isTerminal) this.#write('\r\x1b[K');
  }

  #timeLeft(): string {
    if (this.#done < 3) return '';
    const seconds = Math.round(
      ((performance.now() - this.#startedAt) / this.#done / 1000) * (this.#steps - this.#done),
    );
    return `, about ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} left`;
  }

  #show(line: string): void {
    if (this.#isTerminal) this.#write(`\r\x1b[K${line.slice(0, widthMax)}`);
  }
}
