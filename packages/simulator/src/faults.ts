/**
 * The planted faults (last paragraph of design 3): one line of the shipped code, or of what the simulator stands in for,
 * made wrong. A clean run must find nothing, and a run with any of these must find it within `bound` seeds, counted from
 * seed 1; the same seeds run for all. `expects`: the promises whose violation counts as finding it.
 */
import type { Switches } from './world.ts';

/** An exact text that must stand exactly once in the file; else the fault no longer applies and that is an error. */
export interface Patch {
  /** Path below `packages/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Fault {
  readonly name: string;
  /** What is wrong with it. */
  readonly breaks: string;
  readonly expects: readonly string[];
  /** Seeds from 1 within which it is found. */
  readonly bound: number;
  readonly patches: readonly Patch[];
  readonly switches: Partial<Switches>;
}

interface Shipped {
  readonly name: string;
  readonly breaks: string;
  readonly expects: string;
  readonly bound: number;
}

function shipped(
  fault: Shipped,
  ...patches: readonly (readonly [file: string, find: string, replace: string])[]
): Fault {
  return {
    ...fault,
    expects: fault.expects.split(' '),
    patches: patches.map(([file, find, replace]) => ({ file, find, replace })),
    switches: {},
  };
}

function substrate(fault: Shipped, switches: Partial<Switches>): Fault {
  return { ...fault, expects: fault.expects.split(' '), patches: [], switches };
}

const fencing = (file: string): string => `fencing/src/${file}`;
const node = (file: string): string => `node/src/${file}`;

export const faults: readonly Fault[] = [
  shipped(
    {
      name: 'no-echo',
      breaks: 'a lease is counted from the arrival of the heartbeat, as upstream does',
      expects: 'S1 S3',
      bound: 400,
    },
    [fencing('renew.ts'), 'const end = token.clockMs + Math', 'const end = nowMs + Math'],
  ),
  shipped(
    {
      name: 'no-release-check',
      breaks: 'replies leave without a look at lease, epoch and resignation',
      expects: 'S1 S3',
      bound: 400,
    },
    [
      fencing('gate.ts'),
      "export function mayRelease(facts: GateFacts, roleEpoch: number): ReleaseDecision {\n  if (!facts.armed) return 'release';",
      "export function mayRelease(facts: GateFacts, roleEpoch: number): ReleaseDecision {\n  if (roleEpoch >= 0) return 'release';",
    ],
  ),
  shipped(
    {
      name: 'no-epoch-check',
      breaks: 'a node is followed by one of a higher epoch, which rewinds to its log',
      expects: 'S1 S2 S3',
      bound: 2500,
    },
    [fencing('attach.ts'), 'if (request.epoch > record.epoch) {', 'if (request.epoch > record.epoch + 1e9) {'],
  ),
  shipped(
    {
      name: 'no-withhold',
      breaks: 'a leader waits for its own promises alone, not until a majority withholds',
      expects: 'S1 S3',
      bound: 1500,
    },
    [fencing('lease-grantor.ts'), 'const majority = Math.floor(counted.length / 2) + 1;', 'const majority = 1;'],
  ),
  shipped({ name: 'promote-any', breaks: 'any node that answers may be promoted', expects: 'S1 S2 S3', bound: 100 }, [
    fencing('candidate.ts'),
    "  if (replication === 'sync')\n    return isr.some(",
    "  if (replication === 'sync')\n    return isr.length >= 0 || isr.some(",
  ]),
  shipped(
    {
      name: 'isr-local',
      breaks: 'a master stops waiting for a member when it proposes its removal',
      expects: 'S1 S2 S3',
      bound: 100,
    },
    [
      fencing('in-sync.ts'),
      'if (member.nodeId !== state.ownId) through =',
      "if (member.nodeId !== state.ownId && (state.request?.change !== '-' || !isSame(member, state.request.member))) through =",
    ],
  ),
  shipped(
    {
      name: 'late-expand',
      breaks: 'a master waits for a new member only when its addition is confirmed',
      expects: 'S1 S2 S3',
      bound: 100,
    },
    [
      fencing('in-sync.ts'),
      'for (const member of state.adding) through = Math.min(through, ackedBy(state, member));',
      '',
    ],
  ),
  shipped(
    {
      name: 'old-proposal',
      breaks: 'a proposal for an isr-version that is over is still carried out',
      expects: 'S1 S2 S3',
      bound: 400,
    },
    [
      fencing('isr-request.ts'),
      'if (request.isrVersion !== record.isrVersion)',
      'if (request.isrVersion > record.isrVersion)',
    ],
  ),
  shipped(
    {
      name: 'same-epoch-restart',
      breaks: 'a restarted process goes on in the epoch of the one before',
      expects: 'S1 S2',
      bound: 100,
    },
    [
      fencing('fence-record.ts'),
      'const chosen = record.masterId === own.nodeId && record.processId === own.processId;',
      'const chosen = record.masterId === own.nodeId;',
    ],
    [
      fencing('renew.ts'),
      "if (record.masterId !== own.nodeId || record.processId !== own.processId) return 'not-master-process';",
      "if (record.masterId !== own.nodeId) return 'not-master-process';",
    ],
    [
      fencing('lease-steward.ts'),
      'if (nodeId !== record.masterId || reply.processId !== record.processId) return false;',
      'if (nodeId !== record.masterId) return false;',
    ],
    [
      fencing('failover-plan.ts'),
      'if (isLeased && reply.processId !== record.processId)',
      "if (isLeased && reply.processId === '')",
    ],
  ),
  substrate(
    {
      name: 'reset-keeps-logid',
      breaks: 'a log keeps its id although the machine went down under it',
      expects: 'S1 S2 S3',
      bound: 100,
    },
    { resetKeepsLogId: true },
  ),
  shipped({ name: 'seq-only-attach', breaks: 'logs are compared by sequence alone', expects: 'S1 S2 S3', bound: 100 }, [
    fencing('epoch-history.ts'),
    'if (shorter === 0) return { epoch: 0, sequence: 0 };',
    'if (shorter >= 0) return { epoch: 0, sequence: shorter };',
  ]),
  substrate(
    {
      name: 'ack-own-epoch',
      breaks: 'what a follower wrote or took in its own, former epoch counts as acknowledged when it attaches',
      expects: 'S1 S2 S3',
      bound: 800,
    },
    { ackOwnEpoch: true },
  ),
  shipped({ name: 'dirty-read', breaks: 'a tick that only reads waits for nobody', expects: 'S3', bound: 100 }, [
    node('execution/tick-loop.ts'),
    '    if (!committing.isDropped) this.#await(committing);',
    "    if (commit === undefined && committing.gated && !committing.isDropped && this.#env.gate.mayRelease() === 'pass') {\n      this.#heldBytes -= committing.bytes;\n      this.#release(committing);\n      return;\n    }\n    if (!committing.isDropped) this.#await(committing);",
  ]),
  substrate(
    {
      name: 'stale-wal-after-rewind',
      breaks: 'after a rewind the archived WAL still serves what was given up',
      expects: 'S1 S2 S3',
      bound: 400,
    },
    { staleWalAfterRewind: true },
  ),
  substrate(
    {
      name: 'import-serves',
      breaks: 'the destination of a slot handover serves as soon as the import is complete',
      expects: 'S1 S3',
      bound: 1000,
    },
    { importServes: true },
  ),
  shipped(
    {
      name: 'rearm-after-resign',
      breaks: 'after RESIGN the lease of the resigned epoch still counts',
      expects: 'S1 S3',
      bound: 400,
    },
    [
      node('lease/lease-keeper.ts'),
      '    this.#voidDeadline();\n    this.#awaitHandover();\n    this.#giveUp();',
      '    this.#awaitHandover();\n    this.#giveUp();',
    ],
    [
      fencing('fence-record.ts'),
      "return chosen && record.resignedEpoch < record.epoch ? 'master' : 'replica';",
      "return chosen ? 'master' : 'replica';",
    ],
    [fencing('renew.ts'), "if (heartbeat.epoch <= record.resignedEpoch) return 'resigned';", ''],
  ),
  shipped(
    {
      name: 'zombie-leader-clock',
      breaks: 'the word of one controller is a lease, also that of a leader whose clock stood still',
      expects: 'S1 S3',
      bound: 1200,
    },
    [fencing('renew.ts'), 'return latestFirst[Math.floor(counted.length / 2)] ?? 0;', 'return latestFirst[0] ?? 0;'],
  ),
  substrate(
    { name: 'slewed-clock', breaks: 'leases are counted on a clock that NTP may slew', expects: 'S1 S3', bound: 1200 },
    { slewedClock: true },
  ),
  shipped(
    {
      name: 'shorter-lease-ms',
      breaks: 'after the lease was shortened a new leader waits for the shorter one',
      expects: 'S1 S3',
      bound: 400,
    },
    [fencing('lease-steward.ts'), 'record === undefined ? 0 : longestLeaseMs(record)', 'record?.leaseMs ?? 0'],
  ),
  shipped(
    { name: 'epoch-not-persisted', breaks: 'the fence record is not written to disk', expects: 'S1 S3 S4', bound: 100 },
    [node('lease/lease-keeper.ts'), 'if (record.epoch > 0) this.#env.file.save(formatFenceConf(record));', ''],
  ),
  substrate(
    {
      name: 'lease-before-cut',
      breaks: 'the role and its lease are taken before links, followers and open ticks of the former one are cut',
      expects: 'S1 S2 S3 S5',
      bound: 500,
    },
    { leaseBeforeCut: true },
  ),
  shipped(
    {
      name: 'error-after-execute',
      breaks: 'what was executed and may not be answered is answered with an error',
      expects: 'S3',
      bound: 200,
    },
    [
      node('execution/tick-loop.ts'),
      "    if (unknown.size > 0) this.#env.logger.warn('dropped unreleased ticks', { reason, connections: unknown.size });\n    for (const output of unknown) output.abandon();",
      "    for (const output of unknown) output.release(Buffer.from('-ERR lease lost'));",
    ],
  ),
  substrate(
    { name: 'keyless-passes', breaks: 'commands that name no key pass the gates', expects: 'S1 S2 S3', bound: 100 },
    { keylessPasses: true },
  ),
  substrate(
    {
      name: 'hot-cache-promoted',
      breaks: "a replica's cache of hot keys is not told of what replication brings",
      expects: 'S3',
      bound: 100,
    },
    { hotCachePromoted: true },
  ),
];

export function faultNamed(name: string): Fault | undefined {
  return faults.find((fault) => fault.name === name);
}
