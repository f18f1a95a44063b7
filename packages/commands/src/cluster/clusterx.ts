/**
 * CLUSTERX: what controllers tell a node. VERSION, MYID, SETNODEID, SETNODES and SETSLOT are Kvrocks'
 * (src/commands/cmd_cluster.cc); NODES gives the internal view in the grammar that SETNODES takes; HEARTBEAT is
 * upstream's proposal (pull request 3397 of apache/kvrocks) with an echoed token; SHARD, RESIGN, HOLD, UNHOLD and
 * RELEASE carry masterships (docs/architecture.md, fencing) and are judged behind the lease port; ATTACH is a replica's
 * question of how far its log agrees with this node's.
 */
import type { Endpoint } from '@holdfast/base';
import type { ReplyWriter, Request } from '@holdfast/resp';
import {
  TopologyRefusal,
  isNodeId,
  parseEndpoint,
  parseSlotList,
  parseVersion,
  type NodeId,
  type SlotRange,
  type Version,
} from '@holdfast/topology';
import { Refusal, errors, noKeys, type Call, type CommandDefinition, type CommandFlag } from '../command.ts';
import { clusterErrors, writeOutcome, writeText } from './answers.ts';
import type { ClusterPort, LeasePort, LeaseReply, PendingLeaseReply } from './port.ts';

export type ClusterxInput =
  | { readonly kind: 'version' | 'myid' | 'nodes' }
  | { readonly kind: 'setnodeid'; readonly id: NodeId }
  | { readonly kind: 'setnodes'; readonly payload: string; readonly version: Version; readonly force: boolean }
  | {
      readonly kind: 'setslot';
      readonly ranges: readonly SlotRange[];
      readonly id: NodeId;
      readonly version: Version;
    }
  | { readonly kind: 'heartbeat' | 'shard' | 'attach'; readonly args: readonly string[] }
  | { readonly kind: 'resign' | 'unhold'; readonly epoch: number }
  | { readonly kind: 'hold'; readonly epoch: number; readonly holdMs: number }
  | { readonly kind: 'release'; readonly epoch: number; readonly owner: Endpoint };

type Kind = ClusterxInput['kind'];

type Parse = (request: Request) => ClusterxInput | Refusal;

const parsers: Readonly<Record<Kind, Parse>> = {
  version: (request) => (request.count === 2 ? { kind: 'version' } : usage),
  myid: (request) => (request.count === 2 ? { kind: 'myid' } : usage),
  setnodeid: parseSetNodeId,
  setnodes: parseSetNodes,
  setslot: parseSetSlot,
  nodes: (request) => (request.count === 2 ? { kind: 'nodes' } : usage),
  heartbeat: (request) => ({ kind: 'heartbeat', args: argumentsFrom(request, 2) }),
  shard: (request) => ({ kind: 'shard', args: argumentsFrom(request, 2) }),
  attach: (request) => ({ kind: 'attach', args: argumentsFrom(request, 2) }),
  resign: (request) => parseEpochCommand('resign', request),
  hold: (request) => parseEpochCommand('hold', request),
  unhold: (request) => parseEpochCommand('unhold', request),
  release: (request) => parseEpochCommand('release', request),
};
const kinds = Object.keys(parsers) as Kind[];

const usage = new Refusal(`ERR CLUSTERX command, CLUSTERX ${kinds.map((kind) => kind.toUpperCase()).join('|')}`);
const wrongCount = new Refusal('ERR wrong number of arguments');
const notInteger = new Refusal(errors.notInteger);

const base: readonly CommandFlag[] = ['cluster', 'no-script', 'admin', 'slow', 'stale'];
const change: readonly CommandFlag[] = [...base, 'exclusive', 'no-multi'];
// Heartbeats are answered while a checkpoint is being restored, or the controller would take the node for dead.
const lease: readonly CommandFlag[] = [...base, 'loading', 'no-multi'];

const changes: readonly Kind[] = ['setnodeid', 'setnodes', 'setslot'];
const questions: readonly Kind[] = ['version', 'myid', 'nodes', 'attach'];

function flagsOf(request: Request): readonly CommandFlag[] {
  const kind = kindOf(request);
  if (kind === undefined || questions.includes(kind)) return base;
  return changes.includes(kind) ? change : lease;
}

function kindOf(request: Request): Kind | undefined {
  return kinds.find((kind) => request.is(1, kind));
}

function parse(request: Request): ClusterxInput | Refusal {
  const kind = kindOf(request);
  return kind === undefined ? usage : parsers[kind](request);
}

function argumentsFrom(request: Request, first: number): string[] {
  return Array.from({ length: request.count - first }, (_, index) => request.latin1(first + index));
}

/** An id of another length falls into the usage error, as in Kvrocks. */
function parseSetNodeId(request: Request): ClusterxInput | Refusal {
  const id = request.count === 3 ? request.latin1(2) : '';
  return isNodeId(id) ? { kind: 'setnodeid', id } : usage;
}

function parseSetNodes(request: Request): ClusterxInput | Refusal {
  if (request.count < 4) return usage;
  const version = parseVersion(request.latin1(3));
  if (version === undefined) return new Refusal('ERR Invalid version');
  const force = request.count > 4;
  if (force && (request.count > 5 || !request.is(4, 'force'))) return new Refusal('ERR Invalid setnodes options');
  return { kind: 'setnodes', payload: request.latin1(2), version, force };
}

function parseSetSlot(request: Request): ClusterxInput | Refusal {
  if (request.count !== 6) return usage;
  const ranges = parseSlotList(request.latin1(2));
  if (ranges instanceof TopologyRefusal) return new Refusal(ranges.message);
  if (!request.is(3, 'node')) return new Refusal('ERR Invalid setslot options');
  const id = request.latin1(4);
  if (!isNodeId(id)) return new Refusal('ERR Invalid node id');
  const version = parseVersion(request.latin1(5));
  if (version === undefined) return notInteger;
  if (version < 0n) return new Refusal('ERR Invalid version');
  return { kind: 'setslot', ranges, id, version };
}

function parseEpochCommand(kind: 'resign' | 'hold' | 'unhold' | 'release', request: Request): ClusterxInput | Refusal {
  if (request.count !== (kind === 'resign' || kind === 'unhold' ? 3 : 4)) return wrongCount;
  const epoch = request.integer(2);
  if (Number.isNaN(epoch) || epoch < 0) return notInteger;
  if (kind === 'release') {
    const owner = parseEndpoint(request.latin1(3));
    return owner === undefined ? new Refusal('ERR invalid address, expected host:port') : { kind, epoch, owner };
  }
  if (kind !== 'hold') return { kind, epoch };
  const holdMs = request.integer(3);
  return Number.isNaN(holdMs) || holdMs < 1 ? notInteger : { kind, epoch, holdMs };
}

function run(port: ClusterPort, call: Call, input: ClusterxInput, reply: ReplyWriter): void {
  const { state } = port;
  switch (input.kind) {
    case 'version':
      reply.bulkLatin1(String(state.topology.version));
      return;
    case 'myid':
      reply.bulkLatin1(state.topology.selfId ?? '');
      return;
    case 'nodes':
      if (!state.topology.initialized) reply.error(clusterErrors.uninitialized);
      else writeText(reply, `${state.topology.nodeLines().join('\n')}\n`);
      return;
    case 'setnodeid':
      writeOutcome(reply, state.setNodeId(input.id));
      return;
    case 'setnodes':
      writeOutcome(reply, state.setNodes(input.payload, input.version, input.force));
      return;
    case 'setslot':
      writeOutcome(reply, state.setSlot(input.ranges, input.id, input.version));
      return;
    case 'heartbeat':
      port.lease.heartbeat(input.args, reply);
      return;
    case 'attach':
      writeLine(reply, port.lease.attach(call.session, input.args));
      return;
    case 'shard':
      answerLease(call, port.lease.shard(input.args), reply);
      return;
    default:
      answerLease(call, askLease(port.lease, input), reply);
  }
}

type EpochInput = Extract<ClusterxInput, { readonly epoch: number }>;

function askLease(port: LeasePort, input: EpochInput): PendingLeaseReply {
  switch (input.kind) {
    case 'resign':
      return port.resign(input.epoch);
    case 'hold':
      return port.hold(input.epoch, input.holdMs);
    case 'unhold':
      return port.unhold(input.epoch);
    case 'release':
      return port.release(input.epoch, input.owner);
    default:
      return input satisfies never;
  }
}

function answerLease(call: Call, answer: PendingLeaseReply, reply: ReplyWriter): void {
  if (!(answer instanceof Promise)) {
    writeLeaseReply(reply, answer);
    return;
  }
  const deferred = call.session.defer();
  void answer.then(
    (outcome) => deferred.complete((later) => writeLeaseReply(later, outcome)),
    // Whether it took effect is unknown: the controller asks again on a new connection.
    () => deferred.abandon(),
  );
}

function writeLine(reply: ReplyWriter, line: string): void {
  if (line.startsWith('+')) reply.simple(line.slice(1));
  else reply.error(line.slice(1));
}

function writeLeaseReply(reply: ReplyWriter, answer: LeaseReply): void {
  if (answer.kind === 'refused') reply.error(answer.error);
  else if (answer.sequence === undefined) reply.ok();
  else reply.integer(answer.sequence);
}

/** @param port undefined outside cluster mode: every sub-command is refused. */
export function clusterxCommand(port: ClusterPort | undefined): CommandDefinition<ClusterxInput> {
  return {
    name: 'clusterx',
    arity: -2,
    flags: base,
    flagsOf,
    keys: noKeys,
    group: 'cluster',
    since: '2.0.2',
    complexity: 'O(N) with the number of nodes',
    summary: 'Sets and shows the topology as controllers and operators are to see it',
    parse,
    run(call, input, reply): void {
      if (port === undefined) reply.error(clusterErrors.disabled);
      else if (!call.session.admin) reply.error(errors.notFoundAdmin);
      else run(port, call, input, reply);
    },
  };
}
