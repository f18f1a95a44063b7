/** Recognisable identities for tests: node `a`, its process 1, its log. */
import type { NodeView } from '../candidate.ts';
import type { ShardMessage } from '../fence-record.ts';
import type { HeartbeatReply } from '../heartbeat.ts';

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

/** A well replica with 100 sequences, attached; `reply` and `view` say what differs. */
export function viewOf(name: string, reply: Partial<HeartbeatReply> = {}, view: Partial<NodeView> = {}): NodeView {
  return {
    nodeId: nodeIdOf(name),
    isSuspect: false,
    wasAttached: true,
    lapsedForMs: 0,
    reply: {
      role: 'slave',
      sequence: 100,
      lastEpoch: 1,
      epoch: 1,
      isrVersion: 0,
      version: 1,
      nodeId: nodeIdOf(name),
      processId: processIdOf(name),
      logId: logIdOf(name),
      armed: true,
      mode: 'strict',
      replicationMode: 'async',
      health: 'ok',
      loopStalledMs: 0,
      leaseRemainingMs: 0,
      masterLinkStatus: 'up',
      isrRequest: '',
      leaseToken: '',
      ...reply,
    },
    ...view,
  };
}
