/** REPLCONF PSYNC _FETCH_META _FETCH_FILE _DB_NAME SLAVEOF REPLICAOF ROLE WAIT. */
import type { CommandDefinition } from '../command.ts';
import { feedCommands } from './feed.ts';
import type { ReplicationPort } from './port.ts';
import { roleCommands } from './role.ts';

export function replicationCommands(port: ReplicationPort): CommandDefinition[] {
  return [...feedCommands(port), ...roleCommands(port)];
}
