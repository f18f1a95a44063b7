/** All judges over one history: the verdict of a drill. */
import { checkCounter } from './counter.ts';
import type { Finding, FindingKind, KeyFindings } from './finding.ts';
import { lostWrites, staleReads } from './judges.ts';
import { checkList } from './list.ts';
import { acknowledgedAfterFence, epochsWithTwoMasters, visibleFencedWrites, type Evidence } from './masterships.ts';
import { byKey, describeOperation, type Operation } from './operation.ts';
import { checkRegister, type Cluster, type RegisterFault } from './register.ts';
import { checkStream } from './stream.ts';
import { tornTransactions } from './transaction.ts';

export type ViolationKind =
  FindingKind | 'acknowledged-after-fence' | 'two-masters-in-one-epoch' | 'fenced-write-visible';

export interface Violation {
  readonly kind: ViolationKind;
  /** One sentence for people. */
  readonly message: string;
  /** The operations that prove it. */
  readonly operations: readonly Operation[];
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly acknowledgedWritesLost: number;
  readonly staleReads: number;
  /** Acknowledgements that came after the fence and may be true all the same (see `excuse`): no violation. */
  readonly lateAnswers: number;
  /** Keys whose acknowledged changes could not be looked for, since no later read was answered. */
  readonly unjudgedKeys: readonly string[];
}

/**
 * Judges a whole history.
 * @throws OperationError HISTORY_VALUE_TWICE when values are not unique to their key.
 */
export function judge(operations: readonly Operation[], evidence: Evidence): Verdict {
  const { lost, unjudgedKeys } = lostWrites(operations);
  const stale = staleReads(operations);
  const late = acknowledgedAfterFence(operations, evidence);
  const violations: Violation[] = [
    ...lost.map(({ write, read }) =>
      violation('acknowledged-write-lost', 'an acknowledged write is gone at the end', [write, read]),
    ),
    ...stale.map(({ read, newer }) =>
      violation('stale-read', 'a read began when a newer value was in effect', [read, newer]),
    ),
    ...late
      .filter(({ excuse }) => excuse === null)
      .map(({ write, mastership }) =>
        violation(
          'acknowledged-after-fence',
          `the master of epoch ${mastership.epoch} acknowledged a write after its fence at ${mastership.untilMs?.toFixed(0)} ms`,
          [write],
        ),
      ),
    ...epochsWithTwoMasters(operations, evidence).map(({ shard, epoch, writes }) =>
      violation(
        'two-masters-in-one-epoch',
        `${writes.length} nodes acknowledged writes of shard ${shard} in epoch ${epoch}`,
        writes,
      ),
    ),
    ...visibleFencedWrites(operations, evidence).map(({ write, read }) =>
      violation('fenced-write-visible', 'a write that only a fenced master can have applied was read', [write, read]),
    ),
  ];
  const found: Finding[] = tornTransactions(operations);
  const unjudged = [...unjudgedKeys];
  for (const [key, group] of byKey(operations)) {
    violations.push(...checkRegister(group).map(fromFault));
    const { findings, isUnjudged } = judgeOf(group)(group);
    found.push(...findings);
    if (isUnjudged) unjudged.push(key);
  }
  violations.push(...found.map(({ kind, sentence, operations: proof }) => violation(kind, sentence, proof)));
  const count = (kind: FindingKind): number => found.filter((finding) => finding.kind === kind).length;
  return {
    violations,
    acknowledgedWritesLost: lost.length + count('acknowledged-write-lost'),
    staleReads: stale.length + count('stale-read'),
    lateAnswers: late.filter(({ excuse }) => excuse !== null).length,
    unjudgedKeys: unjudged,
  };
}

const nothing: KeyFindings = { findings: [], isUnjudged: false };

/** Which judge a key is for shows from what was done with it. */
function judgeOf(operations: readonly Operation[]): (operations: readonly Operation[]) => KeyFindings {
  for (const { op } of operations) {
    if (op === 'push' || op === 'pop' || op === 'list') return checkList;
    if (op === 'add' || op === 'entries' || op === 'deliver') return checkStream;
    if (op === 'increment' || op === 'count') return checkCounter;
  }
  return () => nothing;
}

function violation(kind: ViolationKind, sentence: string, operations: readonly Operation[]): Violation {
  return { kind, message: `${sentence}: ${operations.map(describeOperation).join('; ')}`, operations };
}

function fromFault(fault: RegisterFault): Violation {
  switch (fault.kind) {
    case 'value-from-nowhere':
      return violation('not-linearizable', 'a read returned what nobody wrote', [fault.read]);
    case 'refused-write-visible':
      return violation('not-linearizable', 'a refused write was read', [fault.read, fault.write]);
    case 'read-before-write':
      return violation('not-linearizable', 'a value was read before its write began', [fault.read, fault.write]);
    case 'order-conflict':
      return violation('not-linearizable', 'two values must each have come before the other', [
        ...witnesses(fault.first),
        ...witnesses(fault.second),
      ]);
    default:
      return fault satisfies never;
  }
}

/** The operations that bound a cluster: its write, the read that settled it, the read that began last. */
function witnesses(cluster: Cluster): Operation[] {
  const bounds = cluster.reads.filter(
    (read) => read.completedMs === cluster.settledMs || read.invokedMs === cluster.lastMs,
  );
  return cluster.write ? [cluster.write, ...bounds] : bounds;
}
