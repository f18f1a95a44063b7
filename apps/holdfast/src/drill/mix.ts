/**
 * Clients that use more than registers. On a few keys of each shard they push to a list that nobody pops from (it shows
 * every single loss) and to a queue, pop from it, add to a stream, write two keys in one transaction and read both in
 * another or in a script, and count in a script. Some wait: for the next element of the queue, and for the next entries
 * of the stream as its only consumer.
 */
import { messageOf } from '@holdfast/base';
import { ReplyError } from '@holdfast/resp';
import type { Connection } from './connection.ts';
import {
  add,
  blockingPop,
  consumerGroup,
  deliver,
  deliverAgain,
  increment,
  pop,
  push,
  readBoth,
  readList,
  writeBoth,
  type CommandDeed,
} from './deeds.ts';
import type { ShardKeys } from './keys.ts';
import type { Deed, End } from './recorder.ts';

/** What traffic is played on: one connection, and the means to do something there and have it recorded. */
export interface Ground {
  readonly connection: Connection;
  /** How many rounds of the client came before. */
  readonly round: number;
  readonly client: string;
  readonly keys: ShardKeys;
  readonly mayWrite: boolean;
  /** Does and records one thing. Never rejects. */
  act(key: string, deed: CommandDeed): Promise<End>;
  /** As `act`, of what more than one command does. */
  actBy(key: string, deed: Deed, send: () => ReturnType<Connection['client']['command']>): Promise<End>;
}

/** One round of a client. Never rejects; an end that is no reply makes the client look anew where the shard is. */
export type Traffic = (ground: Ground) => Promise<readonly End[]>;

/** How long those who wait do so at most; a client that is to end does so after that. */
const waitMs = 500;
const consumer = 'consumer';

/** Everything that does not wait. */
export function mixedTraffic(): Traffic {
  return async (ground) => {
    const { act, keys, client, round } = ground;
    if (!ground.mayWrite) return [await readPair(ground)];
    const { log, queue, stream, counter } = keys.mixed;
    const value = `${client}-${round}`;
    const ends = [
      act(log, push(log, value)),
      act(queue, push(queue, value)),
      act(stream, add(stream, value)),
      act(counter, increment(counter)),
    ];
    if (round % 2 === 1) ends.push(act(queue, pop(queue)));
    if (round % 8 === 0) ends.push(act(queue, readList(queue)));
    const first = await Promise.all(ends);
    if (first.some(({ kind }) => kind !== 'reply')) return first;
    // Who was sent on asks nothing more here: the connection is about to end.
    const written = await writePair(ground, value);
    return written.kind === 'reply' ? [...first, written, await readPair(ground)] : [...first, written];
  };
}

/** Waits for an element of the queue, again and again. */
export function poppingTraffic(): Traffic {
  return async ({ act, keys, mayWrite }) => {
    const { queue } = keys.mixed;
    return mayWrite ? [await act(queue, blockingPop(queue, waitMs))] : [];
  };
}

/**
 * The consumer of the stream. What it was delivered over a connection that was lost it asks for again first; what it has
 * it acknowledges.
 */
export function consumingTraffic(): Traffic {
  let prepared: Connection | undefined;
  return async (ground) => {
    const { connection, act, keys, mayWrite } = ground;
    const { stream } = keys.mixed;
    if (!mayWrite) return [];
    if (prepared !== connection) {
      const created = await makeGroup(connection, stream);
      if (created !== undefined) return [created];
      for (;;) {
        const end = await consume(connection, stream, () => act(stream, deliverAgain(stream, consumer)));
        if (end.kind !== 'reply') return [end];
        if (isEmpty(end)) break;
      }
      prepared = connection;
    }
    const end = await consume(connection, stream, () => act(stream, deliver(stream, consumer, waitMs)));
    if (end.kind !== 'reply') prepared = undefined;
    return [end];
  };
}

/**
 * Reads a stream's group to its end: what was delivered in vain, then what is new.
 * @returns false when something got no answer; then it is not at its end.
 */
export async function drainStream(
  connection: Connection,
  stream: string,
  act: (deed: CommandDeed) => Promise<End>,
): Promise<boolean> {
  if ((await makeGroup(connection, stream)) !== undefined) return false;
  for (const deed of [deliverAgain(stream, consumer), deliver(stream, consumer, 0)])
    for (;;) {
      const end = await consume(connection, stream, () => act(deed));
      if (end.kind !== 'reply') return false;
      if (isEmpty(end)) break;
    }
  return true;
}

/** @returns why the group is not there; undefined when it is. */
async function makeGroup(connection: Connection, stream: string): Promise<End | undefined> {
  const end = await plain(connection, 'XGROUP', 'CREATE', stream, consumerGroup, '0', 'MKSTREAM');
  return end === undefined || (end.kind === 'refused' && end.message.startsWith('BUSYGROUP ')) ? undefined : end;
}

async function consume(connection: Connection, stream: string, read: () => Promise<End>): Promise<End> {
  const end = await read();
  if (end.kind !== 'reply' || end.part.op !== 'deliver' || end.part.entries.length === 0) return end;
  const ids = end.part.entries.map(([id]) => id);
  return (await plain(connection, 'XACK', stream, consumerGroup, ...ids)) ?? end;
}

function isEmpty(end: End): boolean {
  return end.kind === 'reply' && end.part.op === 'deliver' && end.part.entries.length === 0;
}

/** MULTI is answered before anything else is sent: without it the commands behind it would be executed one by one. */
async function writePair(ground: Ground, value: string): Promise<End> {
  const { connection, keys, actBy } = ground;
  const { client } = connection;
  const [one, other] = keys.mixed.pair;
  const refused = await plain(connection, 'MULTI');
  if (refused !== undefined) return refused;
  return actBy(one, writeBoth(other, value), () => {
    for (const key of [one, other]) client.command('SET', key, value).catch(() => undefined); // EXEC says it too
    return client.command('EXEC');
  });
}

/** In a script, or in a transaction. */
async function readPair({ connection, keys, round, act, actBy }: Ground): Promise<End> {
  const { client } = connection;
  const [one, other] = keys.mixed.pair;
  const deed = readBoth(one, other);
  if (round % 2 === 0) return act(one, deed);
  const refused = await plain(connection, 'MULTI');
  if (refused !== undefined) return refused;
  return actBy(one, deed, () => {
    for (const key of [one, other]) client.command('GET', key).catch(() => undefined);
    return client.command('EXEC');
  });
}

/**
 * A command that changes nothing a judge asks for.
 * @returns how it failed; undefined when it did not.
 */
async function plain(connection: Connection, ...args: string[]): Promise<End | undefined> {
  try {
    const reply = await connection.client.command(...args);
    return reply instanceof ReplyError ? { kind: 'refused', message: reply.message } : undefined;
  } catch (error) {
    return { kind: 'unknown', message: messageOf(error) };
  }
}
