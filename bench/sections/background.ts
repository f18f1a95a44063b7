/**
 * What clients notice of work in the background. A server is filled with more than its buffers hold; then a steady probe
 * runs without any work and beside each kind of it, which is started again whenever it ends until the time is over.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@holdfast/base';
import type { RespClient } from '@holdfast/resp';
import { fill } from '../filler.ts';
import { besideWork, type BackgroundWork } from '../goals.ts';
import { ask, infoOf } from '../info.ts';
import { probe, type ProbeFigures } from '../probe.ts';
import { eachKind, type Findings, type Section, type SectionContext } from '../section.ts';
import type { Directive } from '../servers.ts';
import { until, within, type RunningServer, type Stage } from '../stage.ts';
import { valueOf } from '../workloads.ts';

const valueBytes = 1024;
/** Several memtables of 64 MiB. */
const dataBytes = 1e9;
const windowMs = 10_000;
const workMs = 600_000;
/** A gigabyte, on the slowest machine that is worth measuring. */
const fillMs = 300_000;
const idleMs = 180_000;
const hotKeys = 1000;
const connections = 8;
/** Logs are not kept once they are flushed: from a log that reaches back to the beginning a new replica needs no full sync. */
const shortLog: readonly Directive[] = [
  ['rocksdb.wal_ttl_seconds', '0'],
  ['rocksdb.wal_size_limit_mb', '0'],
];

/** One piece of work on a filled master, from its beginning to its end. */
type Work = (client: RespClient, server: RunningServer, stage: Stage) => Promise<void>;

const works: readonly (readonly [BackgroundWork, Work])[] = [
  ['flush and compaction', compaction],
  ['checkpoint', checkpoint],
  ['full sync', fullSync],
];

export const background: Section = async (context, findings) => {
  const { stage, options, progress } = context;
  const kinds = context.kinds.filter(({ name }) => name === 'holdfast' || name === 'kvrocks-8');
  await eachKind({ ...context, kinds }, findings, async (kind) => {
    progress.say(`background: ${kind.name}, filling`);
    const server = await stage.start(kind, { directives: shortLog });
    const client = await server.client();
    const keys = Math.round((options.quick ? dataBytes / 20 : dataBytes) / (valueBytes + 16));
    const filling = fill(client, { kind: 'strings' }, { value: valueOf(valueBytes), keyspace: keys, requests: 0 });
    await within(`${kind.title} has taken ${keys} keys`, filling, fillMs);
    progress.say(`background: ${kind.name}, compacting`);
    await within('COMPACT is answered', ask(client, 'COMPACT'), idleMs); // flushes what the logs would still hold
    await untilIdle(client);
    for (let round = 1; round <= options.rounds; round++) {
      progress.say(`background: ${kind.name}, round ${round}/${options.rounds}`);
      const quietMs = await measured(context, server, 'no work', findings, (over) => over);
      for (const [name, work] of works) {
        const busyMs = await measured(context, server, name, findings, async (over) => {
          let isOver = false;
          void over.then(() => (isOver = true));
          do await work(client, server, stage);
          while (!isOver);
        });
        findings.add(besideWork(name), kind.name, 'x', busyMs / quietMs);
      }
    }
    client.close();
    await server.end();
  });
  findings.skip('migration', 'nodes have no slot migration yet');
};

/** @param during what runs beside the probe; it is given the end of the window. @returns the probe's p99 in ms. */
async function measured(
  { options }: SectionContext,
  server: RunningServer,
  name: string,
  findings: Findings,
  during: (over: Promise<unknown>) => Promise<unknown>,
): Promise<number> {
  const clients = await Promise.all(Array.from({ length: connections }, () => server.client()));
  const keys = Array.from({ length: hotKeys }, (_, i) => `key:${String(i).padStart(12, '0')}`);
  const window = pause(options.quick ? windowMs / 5 : windowMs);
  let figures: ProbeFigures;
  try {
    const settings = { clients, keys, value: valueOf(valueBytes), everyNthWrites: 5 };
    figures = await probe(settings, Promise.all([window, during(window)]));
  } finally {
    for (const client of clients) client.close();
  }
  findings.add(`p99 beside ${name}`, server.kind.name, 'ms', figures.p99Ms);
  findings.add(`max beside ${name}`, server.kind.name, 'ms', figures.maxMs);
  return figures.p99Ms;
}

async function compaction(client: RespClient): Promise<void> {
  await ask(client, 'COMPACT');
  await until(
    'the compaction has begun',
    async () => (await infoOf(client)).get('is_compacting') === 'yes',
    1000,
  ).catch(
    () => undefined, // it was over before it was looked at
  );
  await until('the compaction is over', async () => (await infoOf(client)).get('is_compacting') === 'no', workMs);
}

async function checkpoint(client: RespClient): Promise<void> {
  await ask(client, 'BGSAVE');
  await until('the backup is there', async () => (await infoOf(client)).get('bgsave_in_progress') === '0', workMs);
  await pause(10);
}

async function fullSync(asked: RespClient, master: RunningServer, stage: Stage): Promise<void> {
  const syncs = async (): Promise<number> => Number((await infoOf(asked, 'stats')).get('sync_full'));
  const before = await syncs();
  const replica = await stage.start(master.kind, {
    directives: [['slaveof', `127.0.0.1 ${master.port}`]],
    isNice: true,
  });
  const client = await replica.client();
  const isUp = async (): Promise<boolean> => (await infoOf(client, 'replication')).get('master_link_status') === 'up';
  await until('a new replica follows', isUp, workMs);
  if ((await syncs()) === before) throw new Error('the new replica followed without a full sync');
  client.close();
  await replica.end('SIGTERM', true);
  // Not at once: a gigabyte of files takes a while, and the probe runs on this thread.
  await rm(replica.dir, { recursive: true, force: true });
}

/** @throws Error that names what the server says it does, when that does not end. */
async function untilIdle(client: RespClient): Promise<void> {
  let said = 'nothing';
  const isIdle = async (): Promise<boolean> => {
    const info = await infoOf(client);
    const [compacting, running] = [info.get('is_compacting') ?? 'no', info.get('num_running_compactions') ?? '0'];
    said = `is_compacting ${compacting}, num_running_compactions ${running}`;
    return compacting === 'no' && running === '0';
  };
  await until('the server has nothing to do', isIdle, idleMs).catch((error: unknown) => {
    throw new Error(`${messageOf(error)}; INFO said: ${said}`);
  });
}
