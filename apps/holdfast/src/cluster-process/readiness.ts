/** When a cluster may be called ready, from what the controller says. Pure. */
import type { ClusterStatus } from '../controller-client.ts';

/** What is still missing, one phrase each; empty when the cluster serves. */
export function missingFrom(status: ClusterStatus): string[] {
  const missing: string[] = [];
  // The sync fence arms nodes too; without a lease an armed node serves nobody, however long leases are.
  const leased = status.fences.includes('lease') || status.fences.includes('sync');
  for (const shard of status.shards) {
    const name = `shard ${shard.index}`;
    const master = shard.nodes.find(({ role }) => role === 'master');
    if (master === undefined) missing.push(`${name} has no master`);
    if (shard.phase !== 'stable') missing.push(`${name} is in ${shard.phase}`);
    else if (leased && (shard.lease_valid_for_ms ?? 0) <= 0) missing.push(`${name} has no lease`);
    for (const node of shard.nodes) {
      if (!node.alive) missing.push(`${node.addr} does not answer the controller`);
      else if (node.version !== status.version) missing.push(`${node.addr} has not taken the topology`);
    }
  }
  for (const { address, desired, observed } of status.bindings)
    if (desired === null || desired !== observed) missing.push(`${address} is not bound`);
  return missing;
}
