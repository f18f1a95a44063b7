/**
 * The time that requests take which come at a steady rate, whatever the server does meanwhile: one every millisecond, most
 * of them GETs, on a few connections. A closed-loop client sends less while the server stalls and so hides most of a stall;
 * here every request that would have been sent is counted from the moment it was to be sent.
 *
 * A thousand requests a second are little to a client in TypeScript, and enough for a p99 after some seconds.
 */
import { messageOf } from '@holdfast/base';
import { ReplyError, type RespClient } from '@holdfast/resp';
import { percentile } from './statistics.ts';

export interface ProbeOptions {
  readonly clients: readonly RespClient[];
  /** Keys asked for, in turn. */
  readonly keys: readonly string[];
  readonly value: string;
  /** One request of so many is a SET. */
  readonly everyNthWrites: number;
}

export interface ProbeFigures {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const perMs = 1;
/** Timers fire late on a busy machine; what is owed then is sent at once, but a clock that jumped is not made up for. */
const owedMax = 10_000;

/** Runs until `until` settles, and then until every reply is there. */
export async function probe(options: ProbeOptions, until: Promise<unknown>): Promise<ProbeFigures> {
  const { clients, keys, value, everyNthWrites } = options;
  const latencies: number[] = [];
  const underWay = new Set<Promise<void>>();
  let failure: string | undefined;
  let sent = 0;
  const startedAt = performance.now();

  const send = (): void => {
    const dueAt = startedAt + sent / perMs;
    const client = clients[sent % clients.length] as RespClient;
    const key = keys[sent % keys.length] as string;
    const reply = sent % everyNthWrites === 0 ? client.command('SET', key, value) : client.command('GET', key);
    sent++;
    const done = reply
      .then((answer) => {
        latencies.push(performance.now() - dueAt);
        if (answer instanceof ReplyError) failure = answer.message;
      })
      .catch((error: unknown) => (failure = messageOf(error)))
      .then(() => void underWay.delete(done));
    underWay.add(done);
  };

  const timer = setInterval(() => {
    const owed = Math.min(owedMax, Math.floor((performance.now() - startedAt) * perMs) - sent);
    for (let i = 0; i < owed && failure === undefined; i++) send();
  }, 1);
  try {
    await until;
  } finally {
    clearInterval(timer);
    await Promise.all(underWay);
  }
  if (failure !== undefined) throw new Error(`the probe was answered: ${failure}`);
  if (latencies.length === 0) throw new Error('the probe ended before its first request');
  return {
    requests: latencies.length,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    maxMs: percentile(latencies, 1),
  };
}
