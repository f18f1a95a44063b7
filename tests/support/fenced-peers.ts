/** Two nodes and a hand-written controller: what tests say to real processes about leases, epochs and topologies. */
import assert from 'node:assert/strict';
import { ReplyError, textOf, type RespClient } from '@holdfast/resp';
import type { NodeProcess } from './node-process.ts';

export const idA: string = 'a'.repeat(40);
export const idB: string = 'b'.repeat(40);
export const leaseMs = 600;

export interface Peer {
  readonly id: string;
  readonly node: NodeProcess;
  readonly control: RespClient;
}

export async function ask(client: RespClient, ...args: string[]): Promise<string> {
  const reply = await client.command(...args);
  if (reply instanceof ReplyError) return reply.message;
  return typeof reply === 'number' ? String(reply) : (textOf(reply) ?? 'nil');
}

export async function report(peer: Peer, epoch: number, token = ''): Promise<Map<string, string>> {
  const tokenArgs = token === '' ? [] : [token];
  const text = await ask(peer.control, 'CLUSTERX', 'HEARTBEAT', peer.id, String(leaseMs), String(epoch), ...tokenArgs);
  return new Map(
    text
      .trim()
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

/** Renews `peer`'s lease of `epoch` for as long as the returned function is not called. */
export function keepLeased(peer: Peer, epoch: number): () => void {
  let running = true;
  void (async (): Promise<void> => {
    let token = '';
    while (running) {
      token = (await report(peer, epoch, token)).get('lease_token') ?? '';
      await new Promise((resolve) => setTimeout(resolve, leaseMs / 12));
    }
  })().catch(() => undefined);
  return () => (running = false);
}

function lines(master: Peer, replica: Peer): string {
  const address = (peer: Peer): string => `${peer.id} 127.0.0.1 ${peer.node.port}`;
  return `${address(master)} master - 0-16383 127.0.0.1 7900\n${address(replica)} slave ${master.id} 127.0.0.1 7901`;
}

export async function topology(peers: readonly Peer[], master: Peer, replica: Peer, version: number): Promise<void> {
  for (const peer of peers) {
    assert.equal(await ask(peer.control, 'CLUSTERX', 'SETNODES', lines(master, replica), String(version)), 'OK');
  }
}

export async function shard(to: Peer, epoch: number, master: Peer): Promise<string> {
  const processId = (await report(master, 0)).get('process_id') ?? '';
  return ask(to.control, 'CLUSTERX', 'SHARD', String(epoch), '0', String(leaseMs), master.id, processId, '-');
}
