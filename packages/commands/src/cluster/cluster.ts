/**
 * CLUSTER: what clients ask about the topology. Sub-commands, replies and errors are Kvrocks' where it has them
 * (src/commands/cmd_cluster.cc); SHARDS, SLAVES, MYID, COUNTKEYSINSLOT and GETKEYSINSLOT, which it lacks, answer as
 * Redis 7.2 does. CLUSTER REPLICAS is one text, as in Kvrocks; CLUSTER SLAVES an array, as in Redis.
 *
 * Questions about the topology are flagged `readonly`, so that a master without a lease is held at the gate instead of
 * giving a stale answer, and `stale`, so that a replica always answers.
 */
import type { ReplyWriter, Request } from '@holdfast/resp';
import {
  TopologyRefusal,
  clusterInfoText,
  clusterNodesText,
  isSlot,
  replicaTexts,
  slotOf,
  type Slot,
} from '@holdfast/topology';
import { Refusal, errors, noKeys, type Call, type CommandDefinition, type CommandFlag } from '../command.ts';
import {
  clusterErrors,
  viewContext,
  writeClusterShards,
  writeClusterSlots,
  writeOutcome,
  writeText,
} from './answers.ts';
import type { ClusterPort } from './port.ts';

export type ClusterInput =
  | { readonly kind: 'info' | 'nodes' | 'slots' | 'shards' | 'myid' | 'reset' }
  | { readonly kind: 'replicas' | 'slaves'; readonly id: string }
  | { readonly kind: 'keyslot'; readonly slot: Slot }
  | { readonly kind: 'countkeysinslot'; readonly slot: Slot }
  | { readonly kind: 'getkeysinslot'; readonly slot: Slot; readonly limit: number };

type Kind = ClusterInput['kind'];

type Parse = (request: Request) => ClusterInput | Refusal;

/** Sub-commands, how they may be written (number of arguments with CLUSTER and the sub-command), and their parsers. */
const subCommands: readonly { readonly kind: Kind; readonly counts: readonly number[]; readonly parse: Parse }[] = [
  { kind: 'info', counts: [2], parse: () => ({ kind: 'info' }) },
  { kind: 'nodes', counts: [2], parse: () => ({ kind: 'nodes' }) },
  { kind: 'slots', counts: [2], parse: () => ({ kind: 'slots' }) },
  {
    kind: 'keyslot',
    counts: [3],
    parse: (request) => ({ kind: 'keyslot', slot: slotOf(request.buffer, request.start(2), request.end(2)) }),
  },
  { kind: 'reset', counts: [2, 3], parse: parseReset },
  { kind: 'replicas', counts: [3], parse: (request) => ({ kind: 'replicas', id: request.latin1(2) }) },
  { kind: 'slaves', counts: [3], parse: (request) => ({ kind: 'slaves', id: request.latin1(2) }) },
  { kind: 'shards', counts: [2], parse: () => ({ kind: 'shards' }) },
  { kind: 'countkeysinslot', counts: [3], parse: parseCountKeys },
  { kind: 'getkeysinslot', counts: [4], parse: parseGetKeys },
  { kind: 'myid', counts: [2], parse: () => ({ kind: 'myid' }) },
];

const usage = new Refusal(
  `ERR CLUSTER command, CLUSTER ${subCommands.map(({ kind }) => kind.toUpperCase()).join('|')}`,
);

function parse(request: Request): ClusterInput | Refusal {
  const found = subCommands.find(({ kind }) => request.is(1, kind));
  return found?.counts.includes(request.count) === true ? found.parse(request) : usage;
}

/** HARD and SOFT act alike, as in Kvrocks. */
function parseReset(request: Request): ClusterInput | Refusal {
  if (request.count === 3 && !request.is(2, 'hard') && !request.is(2, 'soft')) return new Refusal(errors.syntax);
  return { kind: 'reset' };
}

function parseCountKeys(request: Request): ClusterInput | Refusal {
  const slot = request.integer(2);
  if (Number.isNaN(slot)) return new Refusal(errors.notInteger);
  return isSlot(slot) ? { kind: 'countkeysinslot', slot } : new Refusal('ERR Invalid slot');
}

function parseGetKeys(request: Request): ClusterInput | Refusal {
  const slot = request.integer(2);
  const limit = request.integer(3);
  if (Number.isNaN(slot) || Number.isNaN(limit)) return new Refusal(errors.notInteger);
  if (!isSlot(slot) || limit < 0) return new Refusal('ERR Invalid slot or number of keys');
  return { kind: 'getkeysinslot', slot, limit };
}

const base: readonly CommandFlag[] = ['cluster', 'no-script', 'admin', 'slow'];
const question: readonly CommandFlag[] = [...base, 'readonly', 'stale'];
const change: readonly CommandFlag[] = [...base, 'exclusive', 'no-multi'];

const flagsByKind: Readonly<Record<Kind, readonly CommandFlag[]>> = {
  info: question,
  nodes: question,
  slots: question,
  shards: question,
  replicas: question,
  slaves: question,
  countkeysinslot: question,
  getkeysinslot: question,
  keyslot: base,
  myid: base,
  reset: change,
};

function flagsOf(request: Request): readonly CommandFlag[] {
  const found = subCommands.find(({ kind }) => request.is(1, kind));
  return found === undefined ? base : flagsByKind[found.kind];
}

/** Answers that need no topology; false when `input` is another question. */
function runWithoutTopology(port: ClusterPort, call: Call, input: ClusterInput, reply: ReplyWriter): boolean {
  switch (input.kind) {
    case 'keyslot':
      reply.integer(input.slot);
      return true;
    case 'countkeysinslot':
      reply.integer(port.keys.countKeysInSlot(input.slot, call.nowMs));
      return true;
    case 'getkeysinslot': {
      const keys = port.keys.keysInSlot(input.slot, input.limit, call.nowMs);
      reply.array(keys.length);
      for (const key of keys) reply.bulk(key);
      return true;
    }
    case 'myid':
      reply.bulkLatin1(port.state.topology.selfId ?? '');
      return true;
    case 'reset':
      writeOutcome(reply, port.state.reset());
      return true;
    default:
      return false;
  }
}

function runOnTopology(port: ClusterPort, call: Call, input: ClusterInput, reply: ReplyWriter): void {
  const { topology } = port.state;
  switch (input.kind) {
    case 'info':
      writeText(reply, clusterInfoText(topology));
      return;
    case 'nodes':
      writeText(reply, clusterNodesText(topology, viewContext(port, call)));
      return;
    case 'slots':
      writeClusterSlots(port, reply);
      return;
    case 'shards':
      writeClusterShards(port, reply);
      return;
    case 'replicas':
    case 'slaves': {
      const texts = replicaTexts(topology, input.id, viewContext(port, call));
      if (texts instanceof TopologyRefusal) reply.error(texts.message);
      else if (input.kind === 'replicas') writeText(reply, texts.map((text) => `${text}\n`).join(''));
      else {
        reply.array(texts.length);
        for (const text of texts) reply.bulkLatin1(text);
      }
      return;
    }
    default:
      throw new Error(`CLUSTER ${input.kind} was to be answered without a topology`);
  }
}

/** @param port undefined outside cluster mode: every sub-command is refused. */
export function clusterCommand(port: ClusterPort | undefined): CommandDefinition<ClusterInput> {
  return {
    name: 'cluster',
    arity: -2,
    flags: base,
    flagsOf,
    keys: noKeys,
    group: 'cluster',
    since: '2.0.2',
    complexity: 'O(N) with the number of nodes or slot ranges',
    summary: 'Shows the topology as clients are to see it',
    parse,
    run(call, input, reply): void {
      if (port === undefined) reply.error(clusterErrors.disabled);
      else if (!call.session.admin) reply.error(errors.notFoundAdmin);
      else if (runWithoutTopology(port, call, input, reply)) return;
      else if (!port.state.topology.initialized) reply.error(clusterErrors.uninitialized);
      else runOnTopology(port, call, input, reply);
    },
  };
}
