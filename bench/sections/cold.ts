/**
 * Reads that miss. A server is filled with data ten times as large as its caches and started again. Its files are also
 * dropped from the kernel's cache before each measurement, or nothing would be read from the disk on a machine with memory
 * to spare. Measured: reads of all keys at random; and how long reads of a few hot keys take beside such reads, compared
 * with how long they take beside reads that hit.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fill } from '../filler.ts';
import { coldReads, hotBesideCold } from '../goals.ts';
import { ask } from '../info.ts';
import { runLoad, type Load } from '../load-client.ts';
import { probe } from '../probe.ts';
import { eachKind, type Findings, type Section, type SectionContext } from '../section.ts';
import type { Directive, ServerKind } from '../servers.ts';
import type { RunningServer } from '../stage.ts';
import { valueOf } from '../workloads.ts';

const valueBytes = 64;
const keyBytes = 16;
/** Of the data. */
const cachePart = 0.1;
const mebibyte = 1024 * 1024;
const hotKeys = 1000;
const requests = 400_000;
const connections = 8;

export const cold: Section = async (context, findings) => {
  await eachKind(context, findings, async (kind) => {
    if (kind.name === 'redis' || kind.name === 'bare') findings.skip(kind.title, 'it keeps everything in memory');
    else await ofKind(context, findings, kind);
  });
};

/** A tenth of the data for all caches together: Holdfast's row cache has a quarter of it. */
function caches(kind: ServerKind, keys: number): Directive[] {
  const bytes = keys * (keyBytes + valueBytes) * cachePart;
  const rowBytes = kind.name === 'holdfast' ? Math.floor(bytes / 4) : 0;
  const blockMebibytes = Math.max(1, Math.round((bytes - rowBytes) / mebibyte));
  const directives: Directive[] = [['rocksdb.block_cache_size', String(blockMebibytes)]];
  if (rowBytes > 0) directives.push(['row-cache-size', String(rowBytes)]);
  return directives;
}

async function ofKind(context: SectionContext, findings: Findings, kind: ServerKind): Promise<void> {
  const { stage, options, progress } = context;
  const keys = options.coldKeys;
  const directives = caches(kind, keys);
  progress.say(`cold: ${kind.name}, filling ${keys} keys`);
  const first = await stage.start(kind, { directives });
  const filling = await first.client();
  await fill(filling, { kind: 'strings' }, { value: valueOf(valueBytes), keyspace: keys, requests: 0 });
  filling.close();
  await first.end('SIGTERM', true);
  const server = await stage.start(kind, { directives, dir: first.dir });

  for (const pipeline of [1, 16]) {
    for (let round = 1; round <= options.rounds; round++) {
      progress.say(`cold: ${kind.name}, GET P${pipeline} ${round}/${options.rounds}`);
      dropFromKernelCache(server.dir);
      const count = Math.max(1000, Math.round(requests * options.scale * (pipeline === 1 ? 0.25 : 1)));
      const { perSecond, p99Ms } = await runLoad(stage, load(server, options.clients, pipeline, count, keys));
      findings.add(pipeline === 16 ? coldReads : `cold GET P${pipeline}`, kind.name, 'k/s', perSecond / 1000);
      findings.add(`cold GET P${pipeline}, p99`, kind.name, 'ms', p99Ms);
    }
  }
  const count = Math.max(5000, Math.round(requests * options.scale));
  for (let round = 1; round <= options.rounds; round++) {
    progress.say(`cold: ${kind.name}, hot keys beside reads ${round}/${options.rounds}`);
    const hotMs = await hotP99(context, server, load(server, connections, 1, count, hotKeys));
    dropFromKernelCache(server.dir);
    const coldMs = await hotP99(context, server, load(server, connections, 1, count, keys));
    findings.add('hot p99 beside hot reads', kind.name, 'ms', hotMs);
    findings.add('hot p99 beside cold reads', kind.name, 'ms', coldMs);
    findings.add(hotBesideCold, kind.name, 'x', coldMs / hotMs);
  }
  await server.end();
}

function load(server: RunningServer, clients: number, pipeline: number, count: number, keyspace: number): Load {
  return { port: server.port, command: ['GET', 'key:__rand_int__'], pipeline, requests: count, clients, keyspace };
}

async function hotP99({ stage }: SectionContext, server: RunningServer, beside: Load): Promise<number> {
  const clients = await Promise.all(Array.from({ length: connections }, () => server.client()));
  const keys = Array.from({ length: hotKeys }, (_, i) => `key:${String(i).padStart(12, '0')}`);
  try {
    for (const key of keys) await ask(clients[0] as (typeof clients)[number], 'GET', key);
    const settings = { clients, keys, value: '', everyNthWrites: Infinity };
    return (await probe(settings, runLoad(stage, beside))).p99Ms;
  } finally {
    for (const client of clients) client.close();
  }
}

/** Advises the kernel to forget the database's files (posix_fadvise, which dd gives; anybody may who may read them). */
function dropFromKernelCache(dir: string): void {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.sst'));
  for (const name of files)
    spawnSync('dd', [`if=${join(dir, name)}`, 'iflag=nocache', 'count=0', 'status=none'], { timeout: 60_000 });
}
