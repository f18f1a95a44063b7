/**
 * How far a replica is behind while its master is written to: what the master says (in changes of the log), and how long a
 * write takes to be seen on the replica, which is watched with a key that is written and read again and again.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { RespClient } from '@holdfast/resp';
import { ask, infoOf } from '../info.ts';
import { runLoad } from '../load-client.ts';
import { until } from '../stage.ts';
import { eachKind, type Findings, type Section, type SectionContext } from '../section.ts';
import type { ServerKind } from '../servers.ts';
import { percentile } from '../statistics.ts';
import { valueOf } from '../workloads.ts';

const requests = 1_000_000;
const sampleMs = 20;
const linkMs = 60_000;
const catchUpMs = 300_000;
const quietMs = 2000;

export const replication: Section = async (context, findings) => {
  const kinds = context.kinds.filter(({ name }) => name === 'holdfast' || name.startsWith('kvrocks'));
  await eachKind({ ...context, kinds }, findings, (kind) => ofKind(context, findings, kind));
};

async function ofKind(context: SectionContext, findings: Findings, kind: ServerKind): Promise<void> {
  const { stage, options, progress } = context;
  progress.say(`replication: ${kind.name}`);
  const master = await stage.start(kind);
  const replica = await stage.start(kind, { directives: [['slaveof', `127.0.0.1 ${master.port}`]] });
  const [onMaster, onReplica, watcher] = await Promise.all([master.client(), replica.client(), master.client()]);
  const isUp = async (): Promise<boolean> =>
    (await infoOf(onReplica, 'replication')).get('master_link_status') === 'up';
  await until(`a replica of ${kind.title} follows its master`, isUp, linkMs);

  const quiet = await watch({ onMaster, onReplica, watcher }, pause(options.quick ? quietMs / 4 : quietMs));
  findings.add('write seen on the replica, quiet, p50', kind.name, 'ms', percentile(quiet.seenMs, 0.5));
  const load = runLoad(stage, {
    port: master.port,
    command: ['SET', 'key:__rand_int__', valueOf(options.valueBytes[0] ?? 64)],
    pipeline: 16,
    requests: Math.max(20_000, Math.round(requests * options.scale)),
    clients: options.clients,
    keyspace: options.keyspace,
  });
  const busy = await watch({ onMaster, onReplica, watcher }, load);
  const endedAt = performance.now();
  findings.add('SET P16 on the master', kind.name, 'k/s', (await load).perSecond / 1000);
  findings.add('write seen on the replica, SET P16, p50', kind.name, 'ms', percentile(busy.seenMs, 0.5));
  findings.add('write seen on the replica, SET P16, p99', kind.name, 'ms', percentile(busy.seenMs, 0.99));
  findings.add('lag, SET P16, p99', kind.name, 'changes', percentile(busy.lags, 0.99));
  await until(`the replica of ${kind.title} has caught up`, async () => (await lagOf(onMaster)) === 0, catchUpMs);
  findings.add('caught up after the load', kind.name, 'ms', performance.now() - endedAt);
  for (const client of [onMaster, onReplica, watcher]) client.close();
  await replica.end();
  await master.end();
}

interface Ends {
  readonly onMaster: RespClient;
  readonly onReplica: RespClient;
  /** For the master's own account; a connection of its own, so that it does not wait behind writes. */
  readonly watcher: RespClient;
}

interface Watched {
  readonly seenMs: readonly number[];
  readonly lags: readonly number[];
}

async function watch({ onMaster, onReplica, watcher }: Ends, during: Promise<unknown>): Promise<Watched> {
  const seenMs: number[] = [];
  const lags: number[] = [];
  let isOver = false;
  const over = during.finally(() => (isOver = true));
  over.catch(() => undefined);
  do {
    const mark = `${performance.now()}`;
    await ask(onMaster, 'SET', 'bench:mark', mark);
    const writtenAt = performance.now();
    await untilSeen(onReplica, mark);
    seenMs.push(performance.now() - writtenAt);
    lags.push(await lagOf(watcher));
    await pause(sampleMs);
  } while (!isOver);
  await over;
  return { seenMs, lags };
}

/** Asks without a pause: what is waited for often takes less than a millisecond. */
async function untilSeen(onReplica: RespClient, mark: string): Promise<void> {
  const deadline = performance.now() + catchUpMs;
  while ((await ask(onReplica, 'GET', 'bench:mark')) !== mark)
    if (performance.now() > deadline) throw new Error(`a write was not seen on the replica for ${catchUpMs / 1000} s`);
}

/** What the master says of its first replica. */
async function lagOf(client: RespClient): Promise<number> {
  const line = (await infoOf(client, 'replication')).get('slave0') ?? '';
  const lag = Number(/\blag=(\d+)/.exec(line)?.[1]);
  if (!Number.isFinite(lag)) throw new Error(`the master says of its replica: ${line || 'nothing'}`);
  return lag;
}
