/** What one of the other sections gets and gives. */
import type { Options } from './options.ts';
import type { Progress } from './progress.ts';
import type { Figure, Skipped } from './report.ts';
import type { ServerKind, ServerName } from './servers.ts';
import type { Stage } from './stage.ts';

export interface SectionContext {
  readonly stage: Stage;
  readonly options: Options;
  readonly progress: Progress;
  /** Those that were asked for and are there. */
  readonly kinds: readonly ServerKind[];
}

/** Collects what a section measured. */
export class Findings {
  readonly figures: Figure[] = [];
  readonly skipped: Skipped[] = [];
  readonly #section: string;

  constructor(section: string) {
    this.#section = section;
  }

  add(name: string, of: ServerName | (string & {}), unit: string, ...values: readonly number[]): void {
    const at = this.figures.findIndex((figure) => figure.name === name && figure.of === of);
    const before = this.figures[at];
    const figure = { section: this.#section, name, of, unit, values: [...(before?.values ?? []), ...values] };
    if (before === undefined) this.figures.push(figure);
    else this.figures[at] = figure;
  }

  skip(what: string, reason: string): void {
    this.skipped.push({ what: `${this.#section}: ${what}`, reason });
  }
}

export type Section = (context: SectionContext, findings: Findings) => Promise<void>;
