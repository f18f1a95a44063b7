/**
 * Judge of counters that scripts add one to, where each says what it made of it. Counts grow with real time, no two
 * increments see the same, and the counter is never above what was asked of it: at most every increment that was not
 * refused happened, once.
 */
import { lastEndMs, type Finding, type KeyFindings } from './finding.ts';
import { isAcknowledged, type Acknowledged, type CountReading, type Increment, type Operation } from './operation.ts';

type Counted = Acknowledged<Increment | CountReading> & { readonly count: number };

/** Judges the operations of one counter. */
export function checkCounter(operations: readonly Operation[]): KeyFindings {
  const increments = operations.filter((operation) => operation.op === 'increment');
  const counted = operations
    .filter((operation) => operation.op === 'increment' || operation.op === 'count')
    .filter(isAcknowledged<Increment | CountReading>)
    .filter((operation): operation is Counted => operation.count !== null);
  const said = counted.filter(({ op }) => op === 'increment');
  const readings = counted.filter(({ op }) => op === 'count').sort((a, b) => a.invokedMs - b.invokedMs);
  const last = readings.at(-1);
  const isRead = last !== undefined && last.invokedMs >= lastEndMs(said);
  return {
    findings: [
      ...saidTwice(said),
      ...goneBack(counted),
      ...tooMany(counted, increments),
      ...(isRead ? lost(last, said) : []),
    ],
    isUnjudged: said.length > 0 && !isRead,
  };
}

function saidTwice(said: readonly Counted[]): Finding[] {
  const byCount = new Map<number, Counted>();
  return said.flatMap((increment): Finding[] => {
    const other = byCount.get(increment.count);
    byCount.set(increment.count, increment);
    if (other === undefined) return [];
    const sentence = 'two increments came to the same count';
    return [{ kind: 'not-linearizable', sentence, operations: [other, increment] }];
  });
}

/** Operations that saw less than one that had ended when they began; an increment must see more. */
function goneBack(counted: readonly Counted[]): Finding[] {
  const byEnd = counted.toSorted((a, b) => a.completedMs - b.completedMs);
  const findings: Finding[] = [];
  let at = 0;
  let highest: Counted | undefined;
  for (const operation of counted.toSorted((a, b) => a.invokedMs - b.invokedMs)) {
    for (let next = byEnd[at]; next !== undefined && next.completedMs < operation.invokedMs; next = byEnd[++at])
      if (highest === undefined || next.count > highest.count) highest = next;
    if (highest === undefined) continue;
    const isBelow = operation.op === 'increment' ? operation.count <= highest.count : operation.count < highest.count;
    if (!isBelow) continue;
    const kind = operation.op === 'increment' ? 'not-linearizable' : 'stale-read';
    findings.push({ kind, sentence: 'a counter went back', operations: [highest, operation] });
  }
  return findings;
}

/** Counts above the number of increments that can have happened by then. */
function tooMany(counted: readonly Counted[], increments: readonly Increment[]): Finding[] {
  const begins = increments
    .filter(({ outcome }) => outcome !== 'failed')
    .map(({ invokedMs }) => invokedMs)
    .sort((a, b) => a - b);
  let at = 0;
  return counted
    .toSorted((a, b) => a.completedMs - b.completedMs)
    .flatMap((operation): Finding[] => {
      while ((begins[at] ?? Infinity) <= operation.completedMs) at++;
      if (operation.count <= at) return [];
      const sentence = `a counter is above the ${at} increments that were asked for`;
      return [{ kind: 'not-linearizable', sentence, operations: [operation] }];
    });
}

/** One finding for each acknowledged increment by which the last reading is short: those that began last stand for them. */
function lost(last: Counted, said: readonly Counted[]): Finding[] {
  const short = said.length - last.count;
  if (short <= 0) return [];
  return said
    .toSorted((a, b) => b.invokedMs - a.invokedMs)
    .slice(0, short)
    .map((increment) => ({
      kind: 'acknowledged-write-lost',
      sentence: `of ${said.length} acknowledged increments ${last.count} are there`,
      operations: [increment, last],
    }));
}
