import { define, type CommandDefinition } from '../command.ts';
import { clusterCommand } from './cluster.ts';
import { clusterxCommand } from './clusterx.ts';
import type { ClusterPort } from './port.ts';
import { askingCommand, readonlyCommand, readwriteCommand } from './redirection.ts';

/**
 * CLUSTER, CLUSTERX, READONLY, READWRITE and ASKING.
 * @param port undefined outside cluster mode: CLUSTER and CLUSTERX then answer `ERR Cluster mode is not enabled`.
 */
export function clusterCommands(port: ClusterPort | undefined): CommandDefinition[] {
  return [
    define(clusterCommand(port)),
    define(clusterxCommand(port)),
    define(readonlyCommand),
    define(readwriteCommand),
    define(askingCommand),
  ];
}
