import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FatalError } from '@holdfast/base';
import { decodeHistory } from '@holdfast/history';
import { readFileSync } from 'node:fs';
import type { DrillCase } from '../cases/index.ts';
import type { AnyReport, DrillViolation, DrillViolationKind } from '../drill-report.ts';
import { statusOf, type PlayOptions, type PlayedDrill } from '../play-drill.ts';
import type { DrillHost } from '../world/index.ts';
import { allColumn, columnsOf, missingIn } from './columns.ts';
import { playAll } from './index.ts';
import { parseAll } from './options.ts';
import { spreadOf } from './outcome.ts';
import { derivedSeed, planPlays, type AllOptions } from './play-plan.ts';
import type { AllReport } from './report.ts';

/** What a canned play found. */
interface Found {
  readonly kinds?: Readonly<Partial<Record<DrillViolationKind, number>>>;
  readonly ms?: number;
  readonly unjudged?: number;
}

function caseOf(name: string, change: Partial<DrillCase> = {}): DrillCase {
  const run = (): never => assert.fail('nothing is played here');
  return { name, summary: '', seconds: 12, leastSeconds: 8, controllers: 1, needs: [], run, ...change };
}

const [fire, flood] = [caseOf('fire'), caseOf('flood')];

function optionsOf(change: Partial<AllOptions> = {}): AllOptions {
  return {
    cases: [fire, flood],
    ablation: undefined,
    fences: allColumn,
    runs: 1,
    network: 'namespaces',
    shards: 2,
    clients: 8,
    seconds: undefined,
    leaseMs: 1000,
    seed: 5,
    history: undefined,
    output: 'text',
    keep: false,
    ...change,
  };
}

function reportFor({ drill, fences, seed }: PlayOptions, { kinds = {}, ms = 1100, unjudged = 0 }: Found): AnyReport {
  const violations = Object.entries(kinds).flatMap(([kind, count]) =>
    Array.from({ length: count }, (): DrillViolation => {
      return { kind: kind as DrillViolationKind, message: `a ${kind}`, operations: [] };
    }),
  );
  return {
    version: 1,
    drill,
    fences,
    seed: seed ?? 0,
    violations,
    acknowledgedWritesLost: kinds['acknowledged-write-lost'] ?? 0,
    staleReads: kinds['stale-read'] ?? 0,
    msWithoutWrites: ms,
    timeline: [],
    figures: {
      shard: 1,
      leaseMs: 1000,
      clients: 8,
      operations: 0,
      writesAcknowledged: 0,
      readsAnswered: 0,
      refused: 0,
      unknown: 0,
      promotions: 1,
      clientCounts: {},
      controllerPollsFailed: 0,
    },
    rows: [],
    unjudgedKeys: Array.from({ length: unjudged }, (_, index) => `key${index}`),
  };
}

interface Played {
  readonly text: string;
  readonly status: number;
  readonly lines: readonly string[];
  readonly asked: readonly PlayOptions[];
}

/** @param find what a play finds; an Error is thrown instead. */
async function playWith(
  options: AllOptions,
  find: (asked: PlayOptions) => Found | Error,
  signal: AbortSignal = new AbortController().signal,
): Promise<Played> {
  const lines: string[] = [];
  const asked: PlayOptions[] = [];
  const host: DrillHost = { progress: (line) => void lines.push(line), signal };
  const playOne = (each: PlayOptions): Promise<PlayedDrill> => {
    asked.push(each);
    const found = find(each);
    if (found instanceof Error) return Promise.reject(found);
    const report = reportFor(each, found);
    return Promise.resolve({ report, status: statusOf(report), startedWallMs: 0, operations: [] });
  };
  const { text, status } = await playAll(options, host, playOne);
  return { text, status, lines, asked };
}

const fencesOf = ({ fences }: PlayOptions): string => fences.join(',');

test('every case is played once with all fences, each with a seed of its own that repeats', async () => {
  const { text, status, lines, asked } = await playWith(optionsOf(), () => ({}));
  assert.deepEqual(
    asked.map((each) => [each.drill, fencesOf(each), each.seconds, each.shard]),
    [
      ['fire', 'lb,lease,sync', 12, 1],
      ['flood', 'lb,lease,sync', 12, 1],
    ],
  );
  assert.deepEqual(
    asked.map(({ seed }) => seed),
    [derivedSeed(5, 'fire', 1), derivedSeed(5, 'flood', 1)],
  );
  assert.notEqual(asked[0]?.seed, asked[1]?.seed);
  assert.equal(status, 0);
  assert.match(text, /│ fire +│ 0 +│ 0 +│ 0 +│ 1100 +│ 1 +│ clean +│/);
  assert.match(text, /2 of 2 cases clean\.\n$/);
  assert.match(lines.join('\n'), /^\[1\/2\] fire: clean; 1100 ms without writes/m);
});

test('a violation is status 1, whatever else could not run; kinds are named', async () => {
  const { text, status } = await playWith(optionsOf(), ({ drill }) =>
    drill === 'fire' ? { kinds: { 'stale-read': 2, 'not-whole': 1 } } : new FatalError('no etcd here', 3),
  );
  assert.equal(status, 1);
  assert.match(text, /^fire: stale-read 2, not-whole 1\n {2}stale-read: a stale-read\n {2}not-whole: a not-whole$/m);
  assert.match(text, /flood: could not run: no etcd here/);
  assert.match(text, /0 of 2 cases clean; 1 violated; 1 not known\./);
});

test('a case that cannot run, or whose keys could not be read back, is no clean one: status 3', async () => {
  const missing = await playWith(optionsOf(), ({ drill }) => (drill === 'fire' ? new FatalError('no root', 3) : {}));
  assert.equal(missing.status, 3);
  assert.match(missing.text, /│ fire +│ - .*could not run/);
  const unread = await playWith(optionsOf(), () => ({ unjudged: 4 }));
  assert.equal(unread.status, 3);
  assert.match(unread.text, /fire: 4 keys could not be read back/);
});

test('on loopback a case that needs hosts of its own is said not to run, without being tried', async () => {
  const nic = caseOf('nic', { needs: ['namespaces'] });
  const { text, status, asked } = await playWith(optionsOf({ cases: [fire, nic], network: 'loopback' }), () => ({}));
  assert.deepEqual(
    asked.map(({ drill }) => drill),
    ['fire'],
  );
  assert.equal(status, 3);
  assert.match(text, /nic: could not run: it needs --network namespaces/);
});

test('when it is ended what was played by then is told, and that the rest was not: status 3', async () => {
  const ending = new AbortController();
  const end = (): Error => {
    ending.abort(new RangeError('ended by SIGINT'));
    return new RangeError('the case was ended');
  };
  const cases = [fire, flood, caseOf('frost')];
  const find = ({ drill }: PlayOptions): Found | Error => (drill === 'flood' ? end() : {});
  const { text, status, asked } = await playWith(optionsOf({ cases }), find, ending.signal);
  assert.equal(asked.length, 2);
  assert.equal(status, 3);
  assert.match(text, /│ fire .* clean +│/);
  assert.match(text, /flood: could not run: ended by SIGINT\nfrost: could not run: ended by SIGINT/);
});

test('our own bug ends everything', async () => {
  await assert.rejects(
    playWith(optionsOf(), () => new TypeError('a bug')),
    TypeError,
  );
});

test('several runs: all cases again, sums of counts, the median and the worst of times', async () => {
  let played = 0;
  const found: readonly Found[] = [{ ms: 1100 }, { ms: 900 }, { ms: 1300 }, {}, { ms: 5000 }, {}];
  const { text, status, asked } = await playWith(optionsOf({ runs: 3 }), () => found[played++] ?? {});
  assert.equal(asked.map(({ drill }) => drill).join(' '), 'fire flood fire flood fire flood');
  assert.equal(new Set(asked.map(({ seed }) => seed)).size, 6);
  assert.equal(status, 0);
  assert.match(text, /│ fire +│ 0 +│ 0 +│ 0 +│ 1300 \(worst 5000\) +│ 1 +│ clean in 3 of 3 runs +│/);
});

test('the median of an even number of values is the upper one of the middle', () => {
  assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 3, most: 4 });
  assert.equal(spreadOf([]), null);
});

test('--seconds shortens the load time of every case, but none gets less than it needs', () => {
  const slow = caseOf('slow', { seconds: 60, leastSeconds: 20 });
  const seconds = (asked: number | undefined): number[] =>
    planPlays(optionsOf({ cases: [fire, slow], seconds: asked })).map((each) => each.seconds);
  assert.deepEqual(seconds(undefined), [12, 60]);
  assert.deepEqual(seconds(30), [12, 30]);
  assert.deepEqual(seconds(10), [10, 20]);
  assert.deepEqual(seconds(1), [8, 20]);
});

test('an ablation has no fence, each alone and all, or also every pair; a column knows what it lacks', () => {
  const names = (ablation: 'alone' | 'full'): string =>
    columnsOf(ablation)
      .map(({ name }) => name)
      .join(' ');
  assert.equal(names('alone'), 'none lb lease sync all');
  assert.equal(names('full'), 'none lb lease sync lb,lease lb,sync lease,sync all');
  assert.deepEqual(columnsOf('full').map(missingIn).at(-2), ['lb']);
});

test('in an ablation the seed of a case is the same in every column', async () => {
  const { asked } = await playWith(optionsOf({ cases: [fire], ablation: 'full' }), () => ({}));
  assert.equal(asked.length, 8);
  assert.equal(new Set(asked.map(({ seed }) => seed)).size, 1);
});

/** Every fence is needed: a missing lease shows as stale reads, missing sync as lost writes, a missing lb as time. */
function needed({ drill, fences }: PlayOptions): Found {
  if (drill === 'fire' && !fences.includes('lease')) return { kinds: { 'stale-read': 3 } };
  if (drill === 'flood' && !fences.includes('sync')) return { kinds: { 'acknowledged-write-lost': 2 } };
  return drill === 'flood' && !fences.includes('lb') ? { ms: 4000 } : {};
}

test('an ablation in which each absence shows is status 0, and says by what', async () => {
  const { text, status } = await playWith(optionsOf({ ablation: 'full' }), needed);
  assert.equal(status, 0);
  assert.match(text, /│ fire +│ 3 \/ 0 \/ 3 \/ 1100 +│/);
  assert.match(
    text,
    /Without lb: flood with lease,sync, nothing else missing: nothing violated, but 4000 ms without writes; 1100 ms with it\./,
  );
  assert.match(text, /Without lease: fire with lb,sync, nothing else missing: stale-read 3; none of that with it\./);
  assert.match(text, /Without sync: flood with lb,lease, nothing else missing: acknowledged-write-lost 2; none/);
  assert.match(text, /2 of 2 cases clean with all fences; the absence of 3 of 3 fences shows\.\n$/);
});

test('with each fence alone the sharpest evidence still lacks two, and says so', async () => {
  const { text, status } = await playWith(optionsOf({ ablation: 'alone' }), needed);
  assert.equal(status, 0);
  assert.match(text, /Without lease: fire with (lb|sync), (lease and )?(sync|lb) missing too: stale-read 3/);
});

test('what is violated with the fence as well as without it is no evidence of it', async () => {
  const { text, status } = await playWith(optionsOf({ ablation: 'full' }), ({ fences }) =>
    fences.includes('sync') ? {} : { kinds: { 'acknowledged-write-lost': 1 } },
  );
  assert.equal(status, 1);
  assert.match(text, /Without lb: nothing shows it in these cases\./);
  assert.match(text, /Without lease: nothing shows it in these cases\./);
  assert.match(text, /Without sync: fire with lb,lease, nothing else missing: acknowledged-write-lost 1/);
});

test('a fence that helps only where another is missing shows there, by the kind of violation that it ends', async () => {
  const { text } = await playWith(optionsOf({ cases: [fire], ablation: 'full' }), ({ fences }) => {
    if (fences.includes('lease')) return {};
    return { kinds: { 'stale-read': 9, ...(fences.includes('lb') ? {} : { 'not-linearizable': 2 }) } };
  });
  assert.match(text, /Without lb: fire with sync, lease missing too: not-linearizable 2; none of that with it\./);
});

test('where a missing fence alone costs time only, what it lets happen with another missing is told beside it', async () => {
  const { text } = await playWith(optionsOf({ cases: [fire], ablation: 'full' }), ({ fences }) => {
    if (fences.includes('lb')) return {};
    return fences.includes('lease') ? { ms: 2000 } : { ms: 2000, kinds: { 'served-after-repoint': 1 } };
  });
  const [, time, violation] = /(Without lb: .*)\n(Without lb: .*)\n/.exec(text) ?? [];
  assert.match(time ?? '', /fire with lease,sync, nothing else missing: nothing violated, but 2000 ms/);
  assert.match(violation ?? '', /fire with sync, lease missing too: served-after-repoint 1; none of that with it/);
});

test('an absence that nothing shows, or a violation with all fences, is status 1', async () => {
  const unseen = await playWith(optionsOf({ ablation: 'full' }), () => ({}));
  assert.equal(unseen.status, 1);
  assert.match(unseen.text, /Without lb: nothing shows it in these cases\./);
  const broken = await playWith(optionsOf({ ablation: 'full' }), (asked) =>
    asked.fences.length === 3 ? { kinds: { 'not-whole': 1 } } : needed(asked),
  );
  assert.equal(broken.status, 1);
  assert.match(broken.text, /0 of 2 cases clean with all fences; 2 violated/);
});

test('a slightly longer time without writes is the machine and shows nothing', async () => {
  const { text, status } = await playWith(optionsOf({ ablation: 'full' }), ({ fences }) => {
    return fences.includes('lb') ? {} : { ms: 1550 };
  });
  assert.equal(status, 1);
  assert.match(text, /Without lb: nothing shows it/);
  const longer = await playWith(optionsOf({ ablation: 'full' }), ({ fences }) => {
    return fences.includes('lb') ? {} : { ms: 1650 };
  });
  assert.match(longer.text, /Without lb: .* nothing violated, but 1650 ms without writes; 1100 ms with it/);
});

test('an ablation of which something could not be played is status 3', async () => {
  const { status } = await playWith(optionsOf({ ablation: 'full' }), (asked) =>
    asked.drill === 'fire' && fencesOf(asked) === 'lb' ? new FatalError('no room', 3) : needed(asked),
  );
  assert.equal(status, 3);
});

test('as JSON an ablation has every play, its cells and the evidence, and few examples of many violations', async () => {
  const { text } = await playWith(optionsOf({ ablation: 'alone', output: 'json' }), (asked) =>
    asked.fences.length === 0 ? { kinds: { 'acknowledged-write-lost': 50 } } : needed(asked),
  );
  const report = JSON.parse(text) as AllReport;
  assert.equal(report.plays.length, 10);
  const [first] = report.plays;
  assert.deepEqual([first?.case, first?.column, first?.notRun], ['fire', 'none', null]);
  assert.equal(first?.report?.violations.length, 3);
  assert.equal(report.cells[0]?.violations, 50);
  assert.deepEqual(report.cells[0]?.kinds, { 'acknowledged-write-lost': 50 });
  assert.equal(report.evidence?.length, 3);
});

test('as Markdown the table is one that documents can hold', async () => {
  const { text } = await playWith(optionsOf({ ablation: 'alone', output: 'markdown' }), needed);
  assert.match(text, /^\| case \| none \| lb \| lease \| sync \| all \|$/m);
  assert.match(text, /^\| fire \| 3 \/ 0 \/ 3 \/ 1100 \|.*\| 0 \/ 0 \/ 0 \/ 1100 \|$/m);
  assert.match(text, /^- fire, sync: stale-read 3$/m);
});

test('each play leaves a history file named after its case, fences and run', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-all-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const history = join(directory, 'made', 'here');
  await playWith(optionsOf({ cases: [fire], ablation: 'full', runs: 2, history }), () => ({}));
  const names = readdirSync(history).sort();
  assert.equal(names.length, 16);
  assert.ok(names.includes('fire-lb+sync-run2.jsonl') && names.includes('fire-none-run1.jsonl'), names.join(' '));
  assert.equal(decodeHistory(readFileSync(join(history, 'fire-all-run1.jsonl'), 'utf8')).header.source, 'drill fire');
});

test('options: cases are chosen in the order of the registry, and wrong words are refused', () => {
  const parse = (line: string): AllOptions => parseAll(line === '' ? [] : line.split(' '), () => 77);
  const all = parse('');
  assert.deepEqual([all.seed, all.ablation, all.fences.name, all.runs], [77, undefined, 'all', 1]);
  assert.deepEqual(
    parse('--cases kill,hang --ablate --runs 3').cases.map(({ name }) => name),
    ['hang', 'kill'],
  );
  assert.equal(parse('--ablate').ablation, 'alone');
  assert.equal(parse('--ablate full --output markdown').ablation, 'full');
  assert.equal(parse('--fences sync').fences.name, 'sync');
  assert.equal(parse('--fences none').fences.name, 'none');
});
