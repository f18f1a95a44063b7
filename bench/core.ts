/**
 * The core tests: every command on every server, in rounds. Within a round the servers take turns, each started for its
 * turn on an empty directory and ended after it, so that nothing of one (compaction, say) disturbs another; the next round
 * begins with the next server, so that none always has the same place. Data that reads hit are loaded right before, and a
 * run that is not counted goes ahead of each command, for the code of whoever compiles it while it runs.
 */
import { fill } from './filler.ts';
import { runLoad } from './load-client.ts';
import type { Progress } from './progress.ts';
import type { Measurement, MemoryMeasurement } from './report.ts';
import type { ServerKind } from './servers.ts';
import type { RunningServer, Stage } from './stage.ts';
import { userBytes, valueOf, type Test } from './workloads.ts';

export interface CoreOptions {
  readonly kinds: readonly ServerKind[];
  readonly tests: readonly Test[];
  readonly rounds: number;
  readonly clients: number;
  readonly keyspace: number;
}

/** Filled as it goes, so that what was measured stays when a server fails. */
export interface CoreResult {
  readonly measurements: Measurement[];
  readonly memory: MemoryMeasurement[];
}

/** What keys and values of one test take together at the most: a keyspace that stays hot with larger values too. */
const hotBytesMax = 128 * 1024 * 1024;
/** Of the requests of a test, how many go ahead uncounted at the least. */
const warmUpPart = 0.2;
/** Hot keys have been asked for before: so many draws from a keyspace, as a multiple of it, until nine tenths of it came. */
const warmUpDraws = 2.3;

/** @returns the kinds in the order of their turns: each round begins with the next one. */
export function turnsOf<T>(kinds: readonly T[], round: number): T[] {
  const first = kinds.length === 0 ? 0 : (round - 1) % kinds.length;
  return [...kinds.slice(first), ...kinds.slice(0, first)];
}

/** @returns how many keys of such values are kept hot. */
export function keyspaceOf(keyspace: number, valueBytes: number): number {
  return Math.max(1, Math.min(keyspace, Math.floor(hotBytesMax / Math.max(1, valueBytes))));
}

/** @returns how many requests go ahead uncounted: what is measured is hot keys and compiled code. */
export function warmUpRequests(requests: number, keyspace: number): number {
  return Math.ceil(Math.max(requests * warmUpPart, Math.min(requests, keyspace * warmUpDraws)));
}

/** What a run of the core tests needs beside its options. */
export interface CoreContext {
  readonly stage: Stage;
  readonly progress: Progress;
  /** A server fails in its turn; the others go on. */
  failed(kind: ServerKind, error: unknown): void;
}

export async function runCore(context: CoreContext, options: CoreOptions, result: CoreResult): Promise<void> {
  const { kinds, rounds } = options;
  context.progress.expect(rounds * kinds.reduce((sum, kind) => sum + testsOn(kind, options).length, 0));
  for (let round = 1; round <= rounds; round++) {
    for (const kind of turnsOf(kinds, round)) {
      try {
        await takeTurn(context, { kind, round, options }, result);
      } catch (error) {
        context.failed(kind, error);
        await context.stage.endPrograms();
      }
    }
  }
}

interface TurnOrder {
  readonly kind: ServerKind;
  readonly round: number;
  readonly options: CoreOptions;
}

async function takeTurn(
  { stage, progress }: CoreContext,
  { kind, round, options }: TurnOrder,
  { measurements, memory }: CoreResult,
): Promise<void> {
  const where = `round ${round}/${options.rounds} ${kind.name}`;
  progress.say(`${where}: start`);
  const server = await stage.start(kind);
  const idleBytes = server.usage().residentBytes;
  const turn = new Turn(stage, server, options);
  for (const test of testsOn(kind, options)) {
    progress.step(`${where}: ${nameOf(test)}`);
    measurements.push({ ...(await turn.measure(test)), round });
  }
  memory.push({ server: kind.name, round, idleBytes, peakBytes: server.usage().peakBytes });
  await server.end();
}

function testsOn(kind: ServerKind, { tests }: CoreOptions): readonly Test[] {
  return kind.name === 'bare' ? tests.filter(({ workload }) => workload.bare) : tests;
}

function nameOf({ workload, pipeline, valueBytes }: Test): string {
  return `${workload.name} P${pipeline} ${valueBytes} B`;
}

/** One server's turn in one round. */
class Turn {
  readonly #stage: Stage;
  readonly #server: RunningServer;
  readonly #options: CoreOptions;
  /** What the server was warmed up for. */
  readonly #warm = new Set<string>();
  /** Bytes of the values that it was filled with last, by what. */
  readonly #filled = new Map<string, number>();

  constructor(stage: Stage, server: RunningServer, options: CoreOptions) {
    this.#stage = stage;
    this.#server = server;
    this.#options = options;
  }

  async measure(test: Test): Promise<Omit<Measurement, 'round'>> {
    const { workload, pipeline, valueBytes, requests } = test;
    const isNew = await this.#fill(test);
    const name = `${workload.name} ${valueBytes}`;
    if (isNew || !this.#warm.has(name)) await this.#run(test, this.#warmUp(test));
    this.#warm.add(name);
    const before = this.#server.usage();
    const { perSecond, p50Ms, p99Ms, p999Ms } = await this.#run(test, requests);
    const after = this.#server.usage();
    const written = difference(after.writtenBytes, before.writtenBytes);
    return {
      test: workload.name,
      pipeline,
      valueBytes,
      server: this.#server.kind.name,
      requests,
      perSecond,
      p50Ms,
      p99Ms,
      p999Ms,
      cpuSecondsPerMillion: ((after.cpuSeconds - before.cpuSeconds) / requests) * 1e6,
      writtenPerUserByte:
        workload.writes && written !== undefined ? written / (requests * userBytes(workload, valueBytes)) : null,
    };
  }

  #warmUp({ requests, valueBytes }: Test): number {
    return warmUpRequests(requests, keyspaceOf(this.#options.keyspace, valueBytes));
  }

  /** @returns whether keys that were there have new values: no cache has those. */
  async #fill(test: Test): Promise<boolean> {
    const { workload, valueBytes, requests } = test;
    const what = workload.fill;
    if (what === undefined) return false;
    const isUsedUp = what.kind === 'list' && what.elements === 'requests';
    // Values of another size may stand there by now: SET comes with all sizes before GET comes with the first.
    if (!isUsedUp && this.#filled.get(JSON.stringify(what)) === valueBytes) return false;
    this.#filled.set(JSON.stringify(what), valueBytes);
    const client = await this.#server.client();
    const keyspace = keyspaceOf(this.#options.keyspace, valueBytes);
    const elements = requests + this.#warmUp(test);
    await fill(client, what, { value: valueOf(valueBytes), keyspace, requests: elements });
    client.close();
    return !isUsedUp;
  }

  #run({ workload, pipeline, valueBytes }: Test, requests: number): ReturnType<typeof runLoad> {
    const { clients, keyspace } = this.#options;
    return runLoad(this.#stage, {
      port: this.#server.port,
      command: workload.command(valueOf(valueBytes)),
      pipeline,
      requests,
      clients,
      keyspace: keyspaceOf(keyspace, valueBytes),
    });
  }
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}
