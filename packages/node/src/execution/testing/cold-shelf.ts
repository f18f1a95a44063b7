/** A disk for `ColdCommands` without a database: what is on it, and a worker that brings it when the test says so. */
import { ColdReads, Scratch, Window, type ColdRecord, type Namespace, type WarmedKeys } from '@holdfast/engine';
import type { ColdEngine } from '../cold-commands.ts';

const familyOfTest = 1;
/** One for all, so that records are told apart by their keys. */
const hashOfTest = 7;

export class ColdShelf implements ColdEngine {
  readonly slotPrefixed = false;
  readonly cold: ColdReads = new ColdReads();
  readonly lookups: { hits: number; misses: number } = { hits: 0, misses: 0 };
  /** User keys whose records are not in memory. */
  readonly keys: Set<string> = new Set();
  /** Those of them that workers do not hand over. */
  readonly large: Set<string> = new Set();
  /** What was asked for and not brought yet, in order. */
  readonly jobs: { readonly keys: readonly string[]; end(error?: Error): void }[] = [];

  /** Keys that were to be brought near, by call. */
  readonly warmed: string[] = [];

  readonly #value = new Window();

  /** A command looks a key up. @returns whether it may go on with it; false: it is to be taken as absent. */
  reads(key: string): boolean {
    const name = scratchOf(key);
    const isHere = this.cold.arrived > 0 && this.cold.find(familyOfTest, name, hashOfTest, this.#value) === 1;
    if (isHere || this.cold.mode === 'read' || !this.keys.has(key)) {
      this.lookups.hits++;
      return true;
    }
    this.lookups.misses++;
    this.cold.missed(familyOfTest, name, hashOfTest);
    return false;
  }

  warm(_namespace: Namespace, keys: WarmedKeys): void {
    const names = Array.from({ length: keys.count }, (_, i) =>
      keys.buffer.toString('latin1', keys.start(i), keys.end(i)),
    );
    this.warmed.push(names.join());
  }

  noteAhead(_of: number, key: Scratch): boolean {
    // The namespace's prefix stands before it.
    const name = key
      .view()
      .subarray(1 + (key.view()[0] as number))
      .toString();
    if (!this.keys.has(name)) return false;
    this.cold.note(familyOfTest, scratchOf(name), hashOfTest);
    return true;
  }

  fetch(records: readonly ColdRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const keys = records.map(({ key }) => key.toString());
      const end = (error?: Error): void => {
        this.jobs.splice(this.jobs.indexOf(job), 1);
        if (error !== undefined) {
          reject(error);
          return;
        }
        // Values of no bytes, or too large ones.
        const values = Buffer.alloc(4 * keys.length);
        keys.forEach((key, i) => values.writeInt32LE(this.large.has(key) ? -2 : 0, 4 * i));
        this.cold.arrive(records, values);
        resolve();
      };
      const job = { keys, end };
      this.jobs.push(job);
    });
  }
}

function scratchOf(key: string): Scratch {
  const scratch = new Scratch();
  scratch.bytes(Buffer.from(key));
  return scratch;
}
