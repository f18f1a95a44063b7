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
}

export async function fill(client: RespClient, what: Fill, { value, keyspace, requests }: FillOptions): Promise<void> {
  const each = Math.max(1, Math.min(perCommandMax, Math.floor(bytesPerCommand / (value.length + 32))));
  switch (what.kind) {
    case 'strings':
      return send(client, keyspace, each, (from, to) => {
        const command = ['MSET'];
        for (let n = from; n < to; n++) command.push(`key:${digits(n)}`, value);
        return command;
      });
    case 'hash':
      return send(client, keyspace, each, (from, to) => {
        const command = ['HSET', what.key];
        for (let n = from; n < to; n++) command.push(`element:${digits(n)}`, value);
        return command;
      });
    case 'list': {
      const elements = what.elements === 'requests' ? requests : what.elements;
      return send(client, elements, each, (from, to) => ['LPUSH', what.key, ...Array<string>(to - from).fill(value)]);
    }
    default:
      what satisfies never;
  }
}

type Build = (from: number, to: number) => readonly string[];

async function send(client: RespClient, count: number, perCommand: number, build: Build): Promise<void> {
  let underWay: Promise<Reply>[] = [];
  for (let from = 0; from < count; from += perCommand) {
    underWay.push(client.command(...build(from, Math.min(count, from + perCommand))));
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
