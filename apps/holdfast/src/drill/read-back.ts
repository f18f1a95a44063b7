/**
 * The last word of a run: every key that was changed is read again through the LB addresses, and on the replicas. Reads
 * that fail are tried again for a while; what stays unread is not passed over (the verdict names it).
 */
import { ReplyError } from '@holdfast/resp';
import { isChange, type Operation } from '@holdfast/history';
import type { ClusterView, ShardView } from './cluster.ts';
import { openConnection, type Connection, type ConnectionSettings } from './connection.ts';
import { read, readBoth, readCount, readList, readStream, type CommandDeed } from './deeds.ts';
import { drainStream } from './mix.ts';
import type { Part, Recorder } from './recorder.ts';

const batchSize = 200;

export interface ReadBackWorld {
  readonly recorder: Recorder;
  readonly connection: ConnectionSettings;
  /** Where the shard's master is reached now. */
  entryOf(shard: ShardView): string;
  sleep(delayMs: number): Promise<void>;
  /** Whether there is time for another try. */
  mayGoOn(): boolean;
}

/** What reads a key back that this was done to. */
export function readingOf(op: Operation['op'], key: string, also?: string): CommandDeed {
  switch (op) {
    case 'write':
    case 'read':
      return also === undefined ? read(key) : readBoth(key, also);
    case 'push':
    case 'pop':
    case 'list':
      return readList(key);
    case 'add':
    case 'entries':
    case 'deliver':
      return readStream(key);
    case 'increment':
    case 'count':
      return readCount(key);
    default:
      return op satisfies never;
  }
}

interface ShardReadings {
  /** By key. */
  readonly keys: Map<string, CommandDeed>;
  /** Streams that have a group of consumers. */
  readonly consumed: Set<string>;
}

/** What there is to be read of each shard. */
export function readingsOf(operations: readonly Operation[]): Map<number, ShardReadings> {
  const shards = new Map<number, ShardReadings>();
  for (const operation of operations) {
    if (!isChange(operation)) continue;
    const { shard, key, op } = operation;
    const readings = shards.get(shard) ?? { keys: new Map<string, CommandDeed>(), consumed: new Set<string>() };
    shards.set(shard, readings);
    if (op === 'deliver') readings.consumed.add(key);
    const also = op === 'write' ? operation.also : undefined;
    if (!readings.keys.has(key)) readings.keys.set(key, readingOf(op, key, also));
  }
  return shards;
}

/** Reads every key once through its shard's LB address, and records the reads. Never rejects. */
export async function readBack(view: ClusterView, world: ReadBackWorld): Promise<void> {
  const readings = readingsOf(world.recorder.operations);
  await Promise.all(
    view.shards.map(async (shard) => {
      const ofShard = readings.get(shard.index);
      if (ofShard !== undefined) await readShard(shard, ofShard, world);
    }),
  );
}

async function readShard(shard: ShardView, { keys, consumed }: ShardReadings, world: ReadBackWorld): Promise<void> {
  let left: readonly KeyReading[] = [...keys];
  let undrained = [...consumed];
  while (left.length + undrained.length > 0 && world.mayGoOn()) {
    const connection = await openConnection(world.entryOf(shard), world.connection).catch(() => undefined);
    if (connection) {
      const reader = readerOf(shard, connection, world);
      undrained = await drainStreams(undrained, connection, reader);
      left = await readKeys(left, connection, reader);
    }
    connection?.client.close();
    if (left.length + undrained.length > 0) await world.sleep(100);
  }
}

type Reader = (key: string, deed: CommandDeed) => ReturnType<Recorder['recordDeed']>;

function readerOf(shard: ShardView, connection: Connection, { recorder }: ReadBackWorld): Reader {
  const common = { client: 'read-back', phase: 'read-back', shard: shard.index, address: connection.address } as const;
  return (key, deed) =>
    recorder.recordDeed({ ...common, key }, deed, () => connection.client.command(...deed.args), connection.node);
}

/** @returns the streams whose groups are not at their end. */
async function drainStreams(streams: readonly string[], connection: Connection, reader: Reader): Promise<string[]> {
  const undrained: string[] = [];
  for (const stream of streams)
    if (!(await drainStream(connection, stream, (deed) => reader(stream, deed)))) undrained.push(stream);
  return undrained;
}

type KeyReading = readonly [key: string, deed: CommandDeed];

/** @returns the keys that got no answer. */
async function readKeys(keys: readonly KeyReading[], connection: Connection, reader: Reader): Promise<KeyReading[]> {
  const unread: KeyReading[] = [];
  for (let at = 0; at < keys.length; at += batchSize) {
    const batch = keys.slice(at, at + batchSize);
    if (!connection.client.isOpen) {
      unread.push(...batch);
      continue;
    }
    const ends = await Promise.all(batch.map(([key, deed]) => reader(key, deed)));
    unread.push(...batch.filter((_, i) => ends[i]?.kind !== 'reply'));
  }
  return unread;
}

/** What is expected of a replica: by key, how it is read and what is to be recorded of the answer. */
export type Expected = ReadonlyMap<string, { readonly deed: CommandDeed; readonly part: Part }>;

/** What the read-back saw of one shard. */
export function expectedOf(operations: readonly Operation[], shardIndex: number): Expected {
  const expected = new Map<string, { deed: CommandDeed; part: Part }>();
  for (const operation of operations) {
    const { phase, shard, outcome, key, op } = operation;
    if (phase !== 'read-back' || shard !== shardIndex || outcome !== 'ok') continue;
    if (op === 'read') {
      expected.set(key, { deed: read(key), part: { op, value: operation.value } });
      const { also } = operation;
      if (also !== undefined) expected.set(also.key, { deed: read(also.key), part: { op, value: also.value } });
    } else if (op === 'list') expected.set(key, { deed: readList(key), part: { op, values: operation.values } });
    else if (op === 'entries') expected.set(key, { deed: readStream(key), part: { op, entries: operation.entries } });
    else if (op === 'count') expected.set(key, { deed: readCount(key), part: { op, count: operation.count } });
  }
  return expected;
}

export interface Difference {
  readonly key: string;
  readonly onMaster: string | null;
  readonly onReplica: string | null;
}

/**
 * Compares a replica with what the read-back saw on the master.
 * @returns the keys whose values differ.
 * @throws OperationError when the replica cannot be asked, RangeError when it refuses.
 */
export async function compareReplica(
  address: string,
  expected: Expected,
  settings: ConnectionSettings,
): Promise<Difference[]> {
  const { client } = await openConnection(address, settings);
  try {
    const mode = await client.command('READONLY');
    if (mode instanceof ReplyError) throw new RangeError(`${address} refused READONLY: ${mode.message}`);
    const differences: Difference[] = [];
    const all = [...expected];
    for (let at = 0; at < all.length; at += batchSize) {
      const batch = all.slice(at, at + batchSize);
      const replies = await Promise.all(batch.map(([, { deed }]) => client.command(...deed.args)));
      batch.forEach(([key, { deed, part }], i) => {
        const reply = replies[i] ?? null;
        if (reply instanceof ReplyError) throw new RangeError(`${address} refused a read: ${reply.message}`);
        const [onMaster, onReplica] = [describePart(part), describePart(deed.answered(reply))];
        if (onReplica !== onMaster) differences.push({ key, onMaster, onReplica });
      });
    }
    return differences;
  } finally {
    client.close();
  }
}

/** What was read, as text; null when it is absent. */
function describePart(part: Part | undefined): string | null {
  if (part === undefined) return 'something else';
  return part.op === 'read' ? part.value : JSON.stringify(part);
}
