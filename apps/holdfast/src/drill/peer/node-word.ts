/** What one Redis node says at one moment: what it believes of all nodes (CLUSTER NODES), and what it is (ROLE). */
import { OperationError } from '@holdfast/base';
import { itemsOf, textOf, type Reply } from '@holdfast/resp';
import { parseClusterNodes, type KnownNode } from './cluster-nodes.ts';

export interface NodeWord {
  readonly id: string;
  /** When it was asked: what it says, it cannot have said before. */
  readonly atMs: number;
  readonly known: readonly KnownNode[];
  /** Its own role, by ROLE. */
  readonly role: 'master' | 'slave';
  /** Bytes of its replication stream; -1 of a replica that has no stream. */
  readonly offset: number;
}

/**
 * @param nodes reply of CLUSTER NODES.
 * @param role reply of ROLE: `master <offset> <replicas>` or `slave <host> <port> <state of the link> <offset>`.
 * @throws OperationError PEER_ANSWER when they are none.
 */
export function parseWord(nodes: string, role: Reply, atMs: number): NodeWord {
  const known = parseClusterNodes(nodes);
  const myself = known.find(({ isMyself }) => isMyself);
  const [name, second, , state, fifth] = (itemsOf(role) ?? []).map(textOf);
  if (myself === undefined || (name !== 'master' && name !== 'slave'))
    throw new OperationError('PEER_ANSWER', `ROLE is ${String(name)}, and no node is "myself"`, { outcome: 'unknown' });
  const isLinked = name === 'master' || state === 'connected';
  const offset = isLinked ? Number(name === 'master' ? second : fifth) : -1;
  return { id: myself.id, atMs, known, role: name, offset };
}
