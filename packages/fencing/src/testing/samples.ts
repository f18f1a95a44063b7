/** Recognisable identities for tests: node `a`, its process 1, its log. */
import type { ShardMessage } from '../fence-record.ts';

/** 40 characters that begin with `name`. */
export function nodeIdOf(name: string): string {
  return name.padEnd(40, '0');
}

/** The `run`-th process of node `name`. */
export function processIdOf(name: string, run = 1): string {
  return `process${name}${run}`;
}

export function logIdOf(name: string, generation = 1): string {
  return `databaselog${name}${generation}`;
}

/** A shard record with master `a` and ISR a, b; `change` says what differs. */
export function shardMessage(change: Partial<ShardMessage> = {}): ShardMessage {
  return {
    epoch: 1,
    isrVersion: 0,
    leaseMs: 1000,
    masterId: nodeIdOf('a'),
    processId: processIdOf('a'),
    isr: [
      { nodeId: nodeIdOf('a'), logId: logIdOf('a') },
      { nodeId: nodeIdOf('b'), logId: logIdOf('b') },
    ],
    controllers: [],
    ...change,
  };
}
