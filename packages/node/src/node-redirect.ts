/** What a client is answered whose shard's master moved in a switchover: nothing of what it asks is executed here any more. */
import type { Request } from '@holdfast/resp';
import { transactionErrors } from './execution/transactions.ts';
import type { ClientConnection } from './net/client-connection.ts';
import type { Node } from './node.ts';

/**
 * What concerns its connection alone is answered as ever, the rest with MOVED. In a MULTI each command is refused so, and
 * EXEC with EXECABORT then: as in Redis Cluster, where a slot moves under a transaction.
 */
export function redirectRequest(node: Node, connection: ClientConnection, request: Request): void {
  const definition = node.commands.lookup(request);
  const inMulti = connection.queued !== undefined;
  if (definition === undefined || (definition.group === 'connection' && !inMulti)) {
    node.dispatcher.executeApart(connection, request);
    return;
  }
  if (definition.name === 'exec' && inMulti && connection.queueRefused) {
    connection.queued = undefined;
    connection.reply.error(transactionErrors.aborted);
    return;
  }
  if (definition.flags.includes('transaction')) connection.queued = undefined;
  else if (inMulti) connection.queueRefused = true;
  const line = node.router?.redirection(definition, request, node.lease.newOwner);
  if (line !== undefined) connection.reply.error(line);
  else connection.endMoving();
}
