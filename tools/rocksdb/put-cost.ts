/**
 * What a put costs in the RocksDB that the addon is linked to: CPU time per record of batches like those of a tick under
 * `redis-benchmark -P 16 -t set -d 64 -r 100000`, under several sets of options. CPU time, as wall time says more about
 * what else runs; options take turns, round by round, so that all of them meet the same neighbours; medians.
 *
 *   tools/run.sh tools/rocksdb/put-cost.ts [--rounds 5] [--puts 1400000] [--keys 100000] [--sorted] [OPTIONS...]
 *
 * OPTIONS are names of `optionSets`, all of them by default. To compare libraries, run it after `make build` with each.
 * Columns, in us of CPU: `write` is the thread that writes; `all` counts RocksDB's flushes and compactions as well, until
 * everything is flushed; `get` and `miss` are lookups of keys that are and are not there, half way through a memtable;
 * `seek` opens an iterator and reads one entry.
 * docs/decisions/0011-release-rocksdb.md has the figures that decided.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import { buildInfo, open, type Database, type OpenOptions } from '@holdfast/rocksdb';
import { spanOf, Scratch } from '../../packages/engine/src/bytes.ts';
import { BatchBuilder } from '../../packages/engine/src/batch-builder.ts';
import { family } from '../../packages/engine/src/families.ts';
import { openOptions } from '../../packages/engine/src/rocksdb-options.ts';

const batchPuts = 460;
const valueBytes = 64;
const lookups = 200_000;
const seeks = 50_000;

interface OptionSet {
  readonly database?: Readonly<Record<string, string>>;
  readonly families?: Readonly<Record<string, string>>;
}

const mib = 1 << 20;

/** What is compared with `shipped`, the options a node opens its database with. */
const optionSets: Readonly<Record<string, OptionSet>> = {
  shipped: {},
  'memtable-16': { families: { write_buffer_size: String(16 * mib) } },
  'four-of-16': {
    families: {
      write_buffer_size: String(16 * mib),
      min_write_buffer_number_to_merge: '4',
      max_write_buffer_number: '16',
    },
  },
  'memtable-32': { families: { write_buffer_size: String(32 * mib) } },
  pipelined: { database: { enable_pipelined_write: 'true' } },
  'hint-of-prefix': { families: { memtable_insert_with_hint_prefix_extractor: 'rocksdb.FixedPrefix.1' } },
  'no-memtable-bloom': { families: { memtable_whole_key_filtering: 'false', memtable_prefix_bloom_size_ratio: '0' } },
  'huge-pages': { families: { memtable_huge_page_size: String(2 * mib) } },
  'large-arena-blocks': { families: { arena_block_size: String(8 * mib) } },
};

interface Cost {
  readonly write: number;
  readonly all: number;
  readonly get: number;
  readonly miss: number;
  readonly seek: number;
}

interface Batch {
  readonly packed: Buffer;
  readonly lengths: Uint32Array;
}

/** A key of a string in its namespace, as docs/formats has it. */
function writeKey(key: Scratch, number: number, prefix: string): void {
  key.reset();
  key.bytes(Buffer.from(`\x09__default${prefix}${String(number).padStart(12, '0')}`, 'latin1'));
}

/** Batches of one put per command, each after the mark that names its type; `isSorted`: by key within the batch. */
function batchesOf(puts: number, keys: number, isSorted: boolean): Batch[] {
  const random = seededRandom(1);
  const batches: Batch[] = [];
  const builder = new BatchBuilder(1 << 16);
  const key = new Scratch();
  const mark = Buffer.from('1');
  const head = spanOf(Buffer.alloc(9, 1));
  const body = spanOf(Buffer.alloc(valueBytes, 'x'));
  for (let at = 0; at < puts; at += batchPuts) {
    const numbers = Array.from({ length: batchPuts }, () => randomBelow(random, keys));
    if (isSorted) numbers.sort((a, b) => a - b);
    for (const number of numbers) {
      writeKey(key, number, 'key:');
      builder.logData(mark);
      builder.put(family.metadata, key, head, body);
    }
    builder.close(undefined);
    const { packed, lengths } = builder.take(1);
    batches.push({ packed: Buffer.from(packed), lengths });
  }
  return batches;
}

function withOptions(path: string, set: OptionSet): OpenOptions {
  const options = openOptions(path, false, {});
  return {
    ...options,
    options: { ...options.options, ...set.database },
    columnFamilies: options.columnFamilies.map((of) => ({ ...of, options: { ...of.options, ...set.families } })),
  };
}

const threadMicros = (): number => {
  const { user, system } = process.threadCpuUsage();
  return user + system;
};

const processMicros = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function randomKeys(random: Random, keys: number, prefix: string): Buffer[] {
  const key = new Scratch();
  return Array.from({ length: 10_000 }, () => {
    writeKey(key, randomBelow(random, keys), prefix);
    return Buffer.from(key.view());
  });
}

/** CPU us per lookup of one of `wanted`. */
function lookUp(database: Database, wanted: readonly Buffer[]): number {
  const into = Buffer.alloc(256);
  const before = threadMicros();
  for (let i = 0; i < lookups; i++) database.get(family.metadata, wanted[i % wanted.length] as Buffer, into);
  return (threadMicros() - before) / lookups;
}

/** CPU us per iterator that reads one entry at one of `wanted`. */
function seek(database: Database, wanted: readonly Buffer[]): number {
  const before = threadMicros();
  for (let i = 0; i < seeks; i++) {
    const iterator = database.iterate(family.metadata, { gte: wanted[i % wanted.length] as Buffer });
    iterator.next(1, 64);
    iterator.close();
  }
  return (threadMicros() - before) / seeks;
}

async function measure(batches: readonly Batch[], keys: number, set: OptionSet): Promise<Cost> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-put-cost-'));
  const database = await open(withOptions(join(dir, 'db'), set));
  try {
    const allBefore = processMicros();
    const writeBefore = threadMicros();
    for (const { packed, lengths } of batches) database.write(packed, lengths, 1, { sync: false, noSlowdown: false });
    const puts = batches.length * batchPuts;
    const write = (threadMicros() - writeBefore) / puts;
    await database.flush();
    const all = (processMicros() - allBefore) / puts;
    for (const { packed, lengths } of batches.slice(0, 600)) {
      database.write(packed, lengths, 1, { sync: false, noSlowdown: false });
    }
    const random = seededRandom(2);
    const present = randomKeys(random, keys, 'key:');
    const absent = randomKeys(random, keys, 'yek:');
    return {
      write,
      all,
      get: lookUp(database, present),
      miss: lookUp(database, absent),
      seek: seek(database, present),
    };
  } finally {
    await database.close();
    await rm(dir, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      puts: { type: 'string', default: '1400000' },
      keys: { type: 'string', default: '100000' },
      sorted: { type: 'boolean', default: false },
    },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(optionSets);
  const keys = Number(values.keys);
  const batches = batchesOf(Number(values.puts), keys, values.sorted);
  const costs = new Map<string, Cost[]>(names.map((name) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of names) {
      const set = optionSets[name];
      if (set === undefined) throw new Error(`there is no ${name}; one of ${Object.keys(optionSets).join(' ')}`);
      costs.get(name)?.push(await measure(batches, keys, set));
    }
  }
  const { version, assertions } = buildInfo();
  console.log(`RocksDB ${version}, assertions ${assertions ? 'on' : 'off'}; us of CPU, medians of ${values.rounds}`);
  console.log('options               write    all    get   miss   seek');
  for (const [name, rounds] of costs) {
    const cell = (of: keyof Cost): string =>
      median(rounds.map((cost) => cost[of]))
        .toFixed(2)
        .padStart(7);
    console.log(`${name.padEnd(20)}${cell('write')}${cell('all')}${cell('get')}${cell('miss')}${cell('seek')}`);
  }
}

await main();
