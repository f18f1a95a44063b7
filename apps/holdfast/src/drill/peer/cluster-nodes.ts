/**
 * What one Redis Cluster node says of all of them: the text of CLUSTER NODES (Redis' command page "CLUSTER NODES"), one
 * line a node:
 *
 *   <id> <ip:port@bus port[,host name]> <flags> <id of its master or -> <ping sent> <pong received> <config epoch>
 *   <link state> <slot> <first slot-last slot> [<slot>-><-importing or migrating id>] ...
 */
import { OperationError } from '@holdfast/base';

export interface KnownNode {
  readonly id: string;
  /** `host:port`; empty as long as the node does not know it. */
  readonly address: string;
  readonly isMyself: boolean;
  readonly role: 'master' | 'slave';
  /** Of a replica: whose. */
  readonly masterId: string | null;
  /** `suspected` is this node's own impression (`fail?`), `failed` what a majority of masters agreed on (`fail`). */
  readonly health: 'well' | 'suspected' | 'failed';
  /** In a handshake, or without an address: not yet, or no longer, one that takes part. */
  readonly isStranger: boolean;
  readonly configEpoch: number;
  /** First and last slot of each range it owns. */
  readonly slotRanges: readonly (readonly [number, number])[];
}

/** @throws OperationError PEER_ANSWER when a line is none of that form. */
export function parseClusterNodes(text: string): KnownNode[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

function parseLine(line: string): KnownNode {
  const [id, address, flagText, masterId, , , epoch, link, ...slots] = line.trim().split(' ');
  if (
    id === undefined ||
    address === undefined ||
    flagText === undefined ||
    link === undefined ||
    !/^\d+$/.test(epoch ?? '')
  )
    throw new OperationError('PEER_ANSWER', `no line of CLUSTER NODES: ${JSON.stringify(line)}`, {
      outcome: 'unknown',
    });
  const flags = new Set(flagText.split(','));
  const listen = address.replace(/@.*$/, '');
  return {
    id,
    address: listen.startsWith(':') ? '' : listen,
    isMyself: flags.has('myself'),
    role: flags.has('slave') ? 'slave' : 'master',
    masterId: masterId === undefined || masterId === '-' ? null : masterId,
    health: flags.has('fail') ? 'failed' : flags.has('fail?') ? 'suspected' : 'well',
    isStranger: flags.has('handshake') || flags.has('noaddr'),
    configEpoch: Number(epoch),
    slotRanges: slots.filter((slot) => !slot.startsWith('[')).map(parseRange),
  };
}

function parseRange(text: string): readonly [number, number] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null)
    throw new OperationError('PEER_ANSWER', `no slots of CLUSTER NODES: ${JSON.stringify(text)}`, {
      outcome: 'unknown',
    });
  return [Number(match[1]), Number(match[2] ?? match[1])];
}
