/**
 * The directive `notify-keyspace-events`: classes of events, one letter each, and where they are told: `K` in channels by
 * key, `E` in channels by event. `A` is short for all classes but `n` and `m`, which have to be asked for by name.
 */
import type { EventClass } from '@holdfast/commands';

/** Letters of `A` in the order in which Redis shows them, then those that stand for themselves. */
const inAll = ['g', '$', 'l', 's', 'h', 'z', 'x', 'e', 't', 'd'] as const;

export const eventLetters = 'Ag$lshzxeKEtmdn';

/** What is told, and where. */
export interface EventClasses {
  readonly classes: ReadonlySet<EventClass>;
  /** `__keyspace@0__:<key>` with the event as message. */
  readonly byKey: boolean;
  /** `__keyevent@0__:<event>` with the key as message. */
  readonly byEvent: boolean;
}

/** The letters in Redis' order, `A` for all that it stands for; undefined when there is one that means nothing. */
export function normalEventLetters(text: string): string | undefined {
  const given = new Set(text);
  for (const letter of given) if (!eventLetters.includes(letter)) return undefined;
  const isAll = given.has('A') || inAll.every((letter) => given.has(letter));
  let shown = isAll ? 'A' : inAll.filter((letter) => given.has(letter)).join('');
  for (const letter of 'nKEm') if (given.has(letter)) shown += letter;
  return shown;
}

/** Reads letters that `normalEventLetters` accepts. */
export function eventClasses(letters: string): EventClasses {
  const given = new Set(letters);
  const classes = new Set<EventClass>();
  for (const letter of given) {
    if (letter === 'A') for (const one of inAll) if (one !== 'e') classes.add(one);
    if (letter !== 'A' && letter !== 'K' && letter !== 'E' && letter !== 'e') classes.add(letter as EventClass);
  }
  return { classes, byKey: given.has('K'), byEvent: given.has('E') };
}
