/**
 * Asks one Redis node again and again what it believes, on a connection of its own, so that a node that stands still
 * delays no other's word.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { OperationError } from '@holdfast/base';
import { realTimers, tcpConnector } from '@holdfast/base/real';
import { ReplyError, RespClient, textOf, type Reply } from '@holdfast/resp';
import { parseEndpoint } from '../connection.ts';
import { parseWord, type NodeWord } from './node-word.ts';

const everyMs = 25;
const patienceMs = 1000;

/** Opens a connection for commands that must succeed. @throws OperationError NET_CONNECT. */
export function connectTo(address: string): Promise<RespClient> {
  const options = { timers: realTimers, connectTimeoutMs: patienceMs, commandTimeoutMs: patienceMs };
  return RespClient.connect(tcpConnector, parseEndpoint(address), options);
}

/** Sends a command. @throws OperationError PEER_REFUSED when the node refuses it, or as RespClient does. */
export async function ask(client: RespClient, ...args: readonly string[]): Promise<Reply> {
  const reply = await client.command(...args);
  if (!(reply instanceof ReplyError)) return reply;
  const message = `${client.peer} refused ${args.slice(0, 2).join(' ')}: ${reply.message}`;
  throw new OperationError('PEER_REFUSED', message, { outcome: 'not-applied' });
}

/** Calls `onWord` with what the node says, about every 25 ms while it answers, until the signal ends. Never rejects. */
export async function listenTo(address: string, onWord: (word: NodeWord) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const client = await connectTo(address);
      const close = (): void => client.close();
      signal.addEventListener('abort', close);
      try {
        await follow(client, onWord, signal);
      } finally {
        signal.removeEventListener('abort', close);
        client.close();
      }
    } catch {
      // Stopped, killed or starting: it is asked again, and what it said last grows old.
    }
    await sleep(signal);
  }
}

async function follow(client: RespClient, onWord: (word: NodeWord) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    onWord(await wordOf(client));
    await sleep(signal);
  }
}

async function sleep(signal: AbortSignal): Promise<void> {
  await pause(everyMs, undefined, { signal }).catch(() => undefined);
}

/** @throws OperationError when the node does not answer or answers something else. */
export async function wordOf(client: RespClient): Promise<NodeWord> {
  const askedMs = performance.now();
  const [nodes, role] = await Promise.all([ask(client, 'CLUSTER', 'NODES'), ask(client, 'ROLE')]);
  return parseWord(textOf(nodes) ?? '', role, askedMs);
}
