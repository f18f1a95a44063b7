/**
 * `CLUSTERX SHARD <epoch> <isr-version> <lease-ms> <master-id> <process-id> <node:log-id,…> [<controller-id,…>]`
 * in both directions. Master and process id are both `-` while the shard has no master; an empty ISR is `-`.
 */
import { isNodeId, isRandomId, leaseMsBounds, maxEpoch, parseWhole, parseWholeWithin } from './ids.ts';
import type { IsrMember, Refused, ShardMessage } from './fence-record.ts';

/** More than any shard has; bounds what a stranger can make a node store. */
const maxIsrMembers = 64;
const maxControllers = 15;

/** The arguments after `CLUSTERX SHARD`. */
export function formatShardArguments(message: ShardMessage): string[] {
  const { epoch, isrVersion, leaseMs, masterId, processId, controllers } = message;
  const args = [String(epoch), String(isrVersion), String(leaseMs), masterId, processId, formatIsr(message.isr)];
  if (controllers.length > 0) args.push(controllers.join(','));
  return args;
}

/**
 * Reads the arguments after `CLUSTERX SHARD`.
 * @returns a refusal naming the argument that is wrong and what is allowed.
 */
export function parseShardArguments(
  args: readonly string[],
): { readonly kind: 'ok'; readonly message: ShardMessage } | Refused {
  if (args.length < 6 || args.length > 7) return refuse('wrong number of arguments for CLUSTERX SHARD');
  const argument = (index: number): string => args[index] ?? '-';
  const [epochText, isrVersionText, leaseText] = [argument(0), argument(1), argument(2)];
  const [masterId, processId, isrText] = [argument(3), argument(4), argument(5)];
  const epoch = parseWholeWithin(epochText, 1, maxEpoch);
  if (epoch === undefined) return refuse(`epoch '${epochText}', not 1..${maxEpoch}`);
  const isrVersion = parseWhole(isrVersionText);
  if (isrVersion === undefined) return refuse(`isr-version '${isrVersionText}' is not a whole number`);
  const leaseMs = parseWholeWithin(leaseText, leaseMsBounds.min, leaseMsBounds.max);
  if (leaseMs === undefined) return refuse(`lease-ms '${leaseText}', not ${leaseMsBounds.min}..${leaseMsBounds.max}`);
  if (!isMaster(masterId, processId)) return refuse(`master '${masterId}' with process '${processId}'`);
  const isr = parseIsr(isrText);
  if (isr === undefined) return refuse(`isr '${isrText}', expected node:log-id,…`);
  const controllers = parseControllers(argument(6));
  if (controllers === undefined) return refuse(`controllers '${argument(6)}', expected id,…`);
  return { kind: 'ok', message: { epoch, isrVersion, leaseMs, masterId, processId, isr, controllers } };
}

/** A node and its process, or nobody at all. */
function isMaster(masterId: string, processId: string): boolean {
  if (masterId === '-') return processId === '-';
  return isNodeId(masterId) && isRandomId(processId);
}

export function formatIsr(isr: readonly IsrMember[]): string {
  return isr.length === 0 ? '-' : isr.map(({ nodeId, logId }) => `${nodeId}:${logId}`).join(',');
}

export function parseIsr(text: string): IsrMember[] | undefined {
  if (text === '-') return [];
  const isr: IsrMember[] = [];
  for (const item of text.split(',')) {
    const [nodeId = '', logId = '', ...rest] = item.split(':');
    if (rest.length > 0 || !isNodeId(nodeId) || !isRandomId(logId)) return undefined;
    if (isr.some((member) => member.nodeId === nodeId) || isr.length === maxIsrMembers) return undefined;
    isr.push({ nodeId, logId });
  }
  return isr;
}

export function parseControllers(text: string): string[] | undefined {
  if (text === '-') return [];
  const controllers = text.split(',');
  if (controllers.length > maxControllers || new Set(controllers).size !== controllers.length) return undefined;
  return controllers.every(isRandomId) ? controllers : undefined;
}

function refuse(reason: string): Refused {
  return { kind: 'refused', error: `ERR invalid shard record: ${reason}` };
}
