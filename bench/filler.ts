/** Fills a server with the data that reads are to hit, with commands of up to a hundred keys each, some at a time. */
import { ReplyError, type Reply, type RespClient } from '@holdfast/resp';
import type { Fill } from './workloads.ts';

const perCommandMax = 100;
const bytesPerCommand = 64 * 1024;
const commandsUnderWay = 64;

/** `__rand_int__` as redis-benchmark writes it. */
const digits = (n: number): string => String(n).padStart(12, '0');

export interface FillOptions {
  readonly value: string;
  readonly keyspace: number;
  /** Elements of a list that is as long as requests will be made. */
  readonly requests: number;
  /** The first key, of those below `keyspace`; 0 when absent. */
  readonly from?: number;
}

export async function fill(client: RespClient, what: Fill, options: FillOptions): Promise<void> {
  const { value, keyspace, requests, from: first = 0 } = options;
  const each = Math.max(1, Math.min(perCommandMax, Math.floor(bytesPerCommand / (value.length + 32))));
  switch (what.kind) {
    case 'strings':
      return send(client, { first, end: keyspace, each }, (from, to) => {
        const command = ['MSET'];
        for (let n = from; n < to; n++) command.push(`key:${digits(n)}`, value);
        return command;
      });
    case 'hash':
      return send(client, { first, end: keyspace, each }, (from, to) => {
        const command = ['HSET', what.key];
        for (let n = from; n < to; n++) command.push(`element:${digits(n)}`, value);
        return command;
      });
    case 'list': {
      const elements = what.elements === 'requests' ? requests : what.elements;
      return send(client, { first: 0, end: elements, each }, (from, to) => [
        'LPUSH',
        what.key,
        ...Array<string>(to - from).fill(value),
      ]);
    }
    default:
      what satisfies never;
  }
}

/** Numbers from `first` to below `end`, `each` to a command. */
interface Batches {
  readonly first: number;
  readonly end: number;
  readonly each: number;
}

type Build = (from: number, to: number) => readonly string[];

async function send(client: RespClient, { first, end, each }: Batches, build: Build): Promise<void> {
  let underWay: Promise<Reply>[] = [];
  for (let from = first; from < end; from += each) {
    underWay.push(client.command(...build(from, Math.min(end, from + each))));
    if (underWay.length === commandsUnderWay) {
      await accepted(underWay);
      underWay = [];
    }
  }
  await accepted(underWay);
}

async function accepted(replies: readonly Promise<Reply>[]): Promise<void> {
  for (const reply of await Promise.all(replies))
    if (reply instanceof ReplyError) throw new Error(`the server refused to be filled: ${reply.message}`);
}
