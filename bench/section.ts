/** What one of the other sections gets and gives. */
import { messageOf } from '@holdfast/base';
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

  /** It is not there, or not meant to be measured. */
  skip(what: string, reason: string): void {
    this.skipped.push({ what: `${this.#section}: ${what}`, reason, failed: false });
  }

  fail(what: string, error: unknown): void {
    this.skipped.push({ what: `${this.#section}: ${what}`, reason: messageOf(error), failed: true });
  }
}

/** Adds to the findings as it goes, so that what it has found stays when it fails. */
export type Section = (context: SectionContext, findings: Findings) => Promise<void>;

/** Measures one server after the other; one that fails does not cost the others their figures. */
export async function eachKind(
  { stage, kinds }: SectionContext,
  findings: Findings,
  measure: (kind: ServerKind) => Promise<void>,
): Promise<void> {
  for (const kind of kinds) {
    try {
      await measure(kind);
    } catch (error) {
      findings.fail(kind.title, error);
      await stage.endPrograms();
    }
  }
}
