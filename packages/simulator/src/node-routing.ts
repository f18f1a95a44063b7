/** Where a command belongs, by the node's topology and role: what the real node's slot router decides. */
import { slotOf } from '@holdfast/topology';
import type { ActingRole } from '@holdfast/node/decisions';
import type { Command } from './server-connection.ts';
import type { SimNode } from './sim-node.ts';
import { groupOfSlot, topologyOf } from './sim-topology.ts';

/** The error that stops the command, or undefined: it is this node's to run. */
export function routingError(command: Command, node: SimNode, role: ActingRole): string | undefined {
  const { disk, id, handover, world } = node;
  if (disk.topology === undefined) return 'CLUSTERDOWN';
  if (command.isReadonly && role === 'replica') return undefined;
  const slot = slotOf(Buffer.from(command.key));
  const owner = topologyOf(disk.topology).ownerOf(slot)?.id;
  const end = handover?.group === groupOfSlot(slot) ? handover.kind : undefined;
  const isServed = role === 'master' && (owner === id || (end === 'imported' && world.switches.importServes));
  if (!isServed && !passesUnrouted(command, node)) return `MOVED ${owner ?? '-'}`;
  return command.kind === 'set' && end === 'sealed' ? 'TRYAGAIN' : undefined;
}

function passesUnrouted({ isKeyless }: Command, { world }: SimNode): boolean {
  return isKeyless && world.switches.keylessPasses;
}
