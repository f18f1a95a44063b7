/**
 * The load: Debian's redis-benchmark, one process, the same for every server.
 *
 * A client in TypeScript would be slower than the servers it measures. memtier_benchmark has more to offer (any mix of
 * commands, rates), but Debian 12 does not package it. redis-benchmark is closed-loop: each of its connections sends the
 * next pipeline when the last one is answered, so that a stall of the server holds the load back, and its percentiles say
 * how long those requests took that were sent, not how long those would have that a real clock sends.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { readClientOutput, type ClientFigures } from './client-output.ts';
import type { Stage } from './stage.ts';

export interface Load {
  readonly port: number;
  readonly command: readonly string[];
  readonly pipeline: number;
  readonly requests: number;
  readonly clients: number;
  /** `__rand_int__` is drawn below it. */
  readonly keyspace: number;
}

/** A run that takes longer is given up: redis-benchmark retries for ever where nobody listens. */
const runMsMax = 20 * 60_000;

/** Runs a load to its end. @throws Error when the server refuses or is gone, or the client ends or takes too long. */
export async function runLoad(stage: Stage, load: Load): Promise<ClientFigures> {
  let output = '';
  const { child, exited, words } = stage.run(
    { command: 'redis-benchmark', args: argumentsOf(load) },
    (text) => (output = (output + text).slice(-keptBytes)),
  );
  const watch = new AbortController();
  void pause(runMsMax, undefined, { signal: watch.signal }).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  );
  try {
    const status = await exited;
    if (status !== 0) throw new Error(`redis-benchmark ended with ${status}: ${words()}`);
    return readClientOutput(output);
  } finally {
    watch.abort();
  }
}

/** Its report is a few KiB; what comes before is progress. */
const keptBytes = 64 * 1024;

function argumentsOf({ port, command, pipeline, requests, clients, keyspace }: Load): string[] {
  const numbers = { '-p': port, '-c': clients, '-n': requests, '-P': pipeline, '-r': keyspace };
  return [...Object.entries(numbers).flatMap(([flag, value]) => [flag, String(value)]), '--precision', '3', ...command];
}
