/**
 * The cron directives: groups of five fields (minute, hour, day of the month, month, day of the week) of numbers, ranges,
 * lists, `*` and steps. All five must match, as in Kvrocks (common/cron.cc).
 */

export interface CronTime {
  readonly minute: number;
  readonly hour: number;
  readonly dayOfMonth: number;
  /** From 1. */
  readonly month: number;
  /** Sunday is 0. */
  readonly dayOfWeek: number;
}

/** The fields of an instant in the time zone of the machine. */
export function cronTimeOf(wallMs: number): CronTime {
  const date = new Date(wallMs);
  return {
    minute: date.getMinutes(),
    hour: date.getHours(),
    dayOfMonth: date.getDate(),
    month: date.getMonth() + 1,
    dayOfWeek: date.getDay(),
  };
}

/** Whether a minute is one of those of a directive, whose text has been checked. */
export function isCronDue(text: string, time: CronTime): boolean {
  const fields = text.split(/[ \t]+/).filter((field) => field !== '');
  const values = [time.minute, time.hour, time.dayOfMonth, time.month, time.dayOfWeek];
  for (let at = 0; at + 5 <= fields.length; at += 5)
    if (values.every((value, i) => matches(fields[at + i] ?? '', value, i === 4))) return true;
  return false;
}

function matches(field: string, value: number, isDayOfWeek: boolean): boolean {
  return field
    .split(',')
    .some((part) => matchesPart(part, value) || (isDayOfWeek && value === 0 && matchesPart(part, 7)));
}

function matchesPart(part: string, value: number): boolean {
  const [, from, to, step] = /^(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:\/([0-9]{1,2}))?$/.exec(part) ?? [];
  if (from === undefined) return part.startsWith('*') && value % Number(step ?? 1) === 0;
  const first = Number(from);
  // A number with a step begins there and goes on.
  const last = to === undefined ? (step === undefined ? first : Infinity) : Number(to);
  return value >= first && value <= last && (value - first) % Number(step ?? 1) === 0;
}
