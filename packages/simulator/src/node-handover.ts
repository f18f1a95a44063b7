/** A node's part in a slot handover: seal, take the copy, forget about it. */
import { slotOf } from '@holdfast/topology';
import type { LeaseAnswer } from '@holdfast/node/decisions';
import type { ControlCommand } from './control-commands.ts';
import type { NodeProcess } from './node-process.ts';
import { groupOfSlot } from './sim-topology.ts';

type HandoverCommand = Extract<ControlCommand, { kind: 'seal' | 'import' | 'lift' }>;

export function obeyHandover(
  process: NodeProcess,
  command: HandoverCommand,
  answer: (reply: LeaseAnswer) => void,
): void {
  const { node, keeper } = process;
  if (command.kind === 'lift') {
    if (node.handover !== undefined && node.handover.jobId <= command.jobId) node.handover = undefined;
    return answer({ kind: 'ok' });
  }
  const mayWrite = keeper.role === 'master' && keeper.record.epoch === command.epoch && keeper.holdsLease();
  if (!mayWrite) return answer({ kind: 'refused', error: 'ERR not the master of this epoch' });
  if (command.kind === 'import') return takeCopy(process, command, answer);
  const { jobId, group } = command;
  node.handover = { jobId, group, kind: 'sealed' };
  node.note(() => `seals group ${group}`);
  const sequence = process.settle();
  const copy = process.engine.newest().filter(({ key }) => groupOfSlot(slotOf(Buffer.from(key))) === group);
  node.world.cluster.copies.set(jobId, copy);
  answer({ kind: 'ok', sequence });
}

/** Answered when the tick with the copy is released: the in-sync set has it. */
function takeCopy(
  { node, keeper, loop, engine }: NodeProcess,
  { jobId, group, epoch }: Extract<HandoverCommand, { kind: 'import' }>,
  answer: (reply: LeaseAnswer) => void,
): void {
  // A copy of IMPORT that comes late would put back what clients have overwritten since.
  if (jobId < node.importedJobId) return answer({ kind: 'refused', error: 'ERR a handover of before' });
  if (jobId === node.importedJobId) return answer({ kind: 'ok' });
  loop.open();
  if (keeper.admit('write', false) !== 'execute') return answer({ kind: 'refused', error: 'ERR held' });
  for (const { key, value } of node.world.cluster.copies.get(jobId) ?? [])
    engine.put({ shard: node.shard, epoch, key, value, history: undefined });
  loop.countCommand(true);
  loop.join({
    unbound: false,
    takeReplies: () => Buffer.alloc(0),
    abandon: () => answer({ kind: 'refused', error: 'ERR dropped' }),
    release: () => {
      node.note(() => `has imported group ${group}`);
      node.handover = { jobId, group, kind: 'imported' };
      node.importedJobId = jobId;
      answer({ kind: 'ok' });
    },
  });
}
