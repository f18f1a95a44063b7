/**
 * Where a keyed command is to be executed: here, elsewhere (MOVED), or nowhere. Pure, and free of allocations when the
 * answer is "here": it runs for every command of a cluster node.
 *
 * The order of the questions is Kvrocks' (src/server/redis_connection.cc, docs/reference/commands.md): one slot; owned
 * by anyone; owned here; being imported; a read on a replica; otherwise MOVED. Whether this node acts as master is
 * handed in, because on an armed node the fence record decides that and not the topology. A node that acts as master
 * serves its shard's slots also while its topology still names the former master as owner: that one's LB address leads
 * here by then, and MOVED to it would send the client round in a circle.
 */
import type { CommandDefinition } from '@holdfast/commands';
import type { Endpoint } from '@holdfast/base';
import type { Request } from '@holdfast/resp';
import { clientEndpoint, sameEndpoint, slotOf, type ClientView, type Slot, type Topology } from '@holdfast/topology';

/** In place of a slot: the command has no keys, so it is never redirected. */
export const noSlot = -1;
/** In place of a slot: the command's keys lie in several. */
export const severalSlots = -2;

export const routeCodes = {
  execute: 0,
  /** `MOVED` to `redirectTarget`. */
  moved: 1,
  /**
   * The same, but the target is the address this client very likely came by (this node's own or former LB address): the
   * connection is to be closed after the reply, since clients do not reconnect on a MOVED to where they are.
   */
  movedAndClose: 2,
  severalSlots: 3,
  /** No master is known for the slot. */
  unserved: 4,
  /** Writes to the slot are stopped while its migration ends. */
  tryAgain: 5,
  /** A replica that may be arbitrarily old. */
  masterDown: 6,
} as const;

export type RouteCode = (typeof routeCodes)[keyof typeof routeCodes];

/** Bits of the request, joined by `|`. */
export const requestBits = { write: 1, readonlyMode: 2, asking: 4 } as const;

/** Bits of a slot that takes part in a migration. */
export const migrationBits = {
  /** Left: its keys are at the destination. */
  migrated: 1,
  /** Its last entries are being sent: no writes. */
  writeForbidden: 2,
  /** Being received: only ASKING may use it. */
  importing: 4,
  /** Received, and the topology does not know yet: anyone may use it. */
  imported: 8,
} as const;

export interface SlotMigrationFacts {
  /** `migrationBits` of each of the 16384 slots. */
  readonly bits: Uint8Array;
  /** Internal addresses are not for clients: what `clientEndpoint` gives for the destination. */
  readonly destinations: ReadonlyMap<number, Endpoint>;
}

/** What routing depends on besides the request; kept up to date by its owners. */
export interface RoutingFacts {
  readonly topology: Topology;
  readonly view: ClientView;
  /** This node is its shard's master: by the topology, or on an armed node by the fence record. */
  readonly actingAsMaster: boolean;
  /** As a replica it may serve READONLY reads: it has attached since its last role change or start. */
  readonly servesReplicaReads: boolean;
  /** The LB address of its last mastership, when it no longer is that master's. */
  readonly formerLb: Endpoint | undefined;
  readonly migration: SlotMigrationFacts | undefined;
}

/** The slot of a request whose arity fits; `noSlot` or `severalSlots` in its place. */
export function slotOfRequest(definition: CommandDefinition, request: Request): number {
  if (definition.keyIndexes !== undefined) return slotOfIndexes(definition.keyIndexes(request), request);
  const { first, last, step } = definition.keys;
  if (first === 0) return noSlot;
  const end = Math.min(last < 0 ? request.count + last : last, request.count - 1);
  let slot: number = noSlot;
  for (let index = first; index <= end; index += step) {
    const next = slotOf(request.buffer, request.start(index), request.end(index));
    if (slot !== noSlot && next !== slot) return severalSlots;
    slot = next;
  }
  return slot;
}

function slotOfIndexes(indexes: readonly number[], request: Request): number {
  let slot: number = noSlot;
  for (let i = 0; i < indexes.length; i++) {
    const index = indexes[i] as number;
    const next = slotOf(request.buffer, request.start(index), request.end(index));
    if (slot !== noSlot && next !== slot) return severalSlots;
    slot = next;
  }
  return slot;
}

/**
 * Judges one request.
 * @param slot as `slotOfRequest` gives it.
 * @param bits `requestBits` of the request and its connection.
 */
export function route(facts: RoutingFacts, slot: number, bits: number): RouteCode {
  if (slot === noSlot) return routeCodes.execute;
  if (slot === severalSlots) return routeCodes.severalSlots;
  const { topology } = facts;
  const { self } = topology;
  const owner = topology.ownerOf(slot as Slot);
  if (owner === undefined) return routeCodes.unserved;
  const state = facts.migration === undefined ? 0 : (facts.migration.bits[slot] as number);
  const isOwnShard = owner === self || (self?.role === 'replica' && self.masterId === owner.id);
  if (isOwnShard && facts.actingAsMaster) return state === 0 ? routeCodes.execute : routeMigrating(state, bits);
  if (state !== 0 && isOpenToImport(state, bits)) return routeCodes.execute;
  const isReplicaRead = (bits & (requestBits.readonlyMode | requestBits.write)) === requestBits.readonlyMode;
  return isOwnShard && isReplicaRead ? routeReplicaRead(facts) : routeMoved(facts, slot);
}

/** A READONLY read of the own shard on a node that does not act as its master. */
function routeReplicaRead({ topology, servesReplicaReads }: RoutingFacts): RouteCode {
  return topology.self?.role === 'replica' && servesReplicaReads ? routeCodes.execute : routeCodes.masterDown;
}

/** A slot that arrives here and may be used already. */
function isOpenToImport(state: number, bits: number): boolean {
  if ((state & migrationBits.imported) !== 0) return true;
  return (state & migrationBits.importing) !== 0 && (bits & requestBits.asking) !== 0;
}

/** A slot that is served here and takes part in a migration away. */
function routeMigrating(state: number, bits: number): RouteCode {
  if ((state & migrationBits.migrated) !== 0) return routeCodes.moved;
  const isForbidden = (state & migrationBits.writeForbidden) !== 0 && (bits & requestBits.write) !== 0;
  return isForbidden ? routeCodes.tryAgain : routeCodes.execute;
}

function routeMoved(facts: RoutingFacts, slot: number): RouteCode {
  const target = redirectTarget(facts, slot);
  if (target === undefined) return routeCodes.unserved;
  const ownLb = facts.view === 'lb' ? facts.topology.self?.lb : undefined;
  if (ownLb !== undefined && sameEndpoint(target, ownLb)) return routeCodes.movedAndClose;
  // Named as owner, not acting as master, and reached by no LB address: there is nowhere to send the client to.
  if (facts.topology.ownerOf(slot as Slot) === facts.topology.self) return routeCodes.unserved;
  const { formerLb } = facts;
  return formerLb !== undefined && sameEndpoint(target, formerLb) ? routeCodes.movedAndClose : routeCodes.moved;
}

/** The address to put into MOVED for `slot`; undefined when the slot has no owner. */
export function redirectTarget(facts: RoutingFacts, slot: number): Endpoint | undefined {
  const { migration, topology, view } = facts;
  if (migration !== undefined && ((migration.bits[slot] as number) & migrationBits.migrated) !== 0) {
    const destination = migration.destinations.get(slot);
    if (destination !== undefined) return destination;
  }
  const owner = topology.ownerOf(slot as Slot);
  return owner === undefined ? undefined : clientEndpoint(owner, view);
}
