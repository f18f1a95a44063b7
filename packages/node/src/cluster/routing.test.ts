import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noKeys, type CommandDefinition, type Session } from '@holdfast/commands';
import { Request } from '@holdfast/resp';
import { Topology, TopologyRefusal, parseNodes, slotCount, type NodeId, type Version } from '@holdfast/topology';
import {
  migrationBits,
  noSlot,
  redirectTarget,
  requestBits,
  route,
  routeCodes,
  severalSlots,
  slotOfRequest,
  type RouteCode,
  type RoutingFacts,
} from './routing.ts';
import { SlotRouter } from './slot-router.ts';

const a = 'a'.repeat(40);
const b = 'b'.repeat(40);
const r = 'r'.repeat(40);
const stranger = 'x'.repeat(40);
const payload = `${a} 10.0.0.1 1 master - 0-99 lb.a 7000\n${b} 10.0.0.2 2 master - 100-199\n${r} 10.0.0.3 3 slave ${a} lb.r 7100`;

function facts(selfId: string | undefined, changes: Partial<RoutingFacts> = {}, text = payload): RoutingFacts {
  const parsed = parseNodes(text);
  assert.ok(!(parsed instanceof TopologyRefusal));
  const topology = Topology.of(parsed, 1n as Version, selfId as NodeId | undefined);
  return {
    topology,
    view: 'lb',
    actingAsMaster: topology.self?.role === 'master',
    servesReplicaReads: true,
    formerLb: undefined,
    migration: undefined,
    ...changes,
  };
}

const { write, readonlyMode, asking } = requestBits;
const nameOf = (code: RouteCode): string =>
  Object.entries(routeCodes).find(([, value]) => value === code)?.[0] ?? String(code);

interface Case {
  readonly name: string;
  readonly self: string | undefined;
  readonly slot: number;
  readonly bits?: number;
  readonly changes?: Partial<RoutingFacts>;
  readonly code: keyof typeof routeCodes;
}

const lbA = { host: 'lb.a', port: 7000 };
const cases: readonly Case[] = [
  { name: 'a command without keys is executed anywhere', self: undefined, slot: noSlot, code: 'execute' },
  { name: 'keys in several slots are refused, also where they are owned', self: a, slot: severalSlots, code: 'severalSlots' },
  { name: 'a slot without owner is served by nobody', self: a, slot: 200, code: 'unserved' },
  { name: 'a master executes writes to its slots', self: a, slot: 99, bits: write, code: 'execute' },
  { name: 'a master executes reads of its slots', self: a, slot: 0, code: 'execute' },
  { name: 'a master sends away for the slots of another', self: a, slot: 100, bits: write, code: 'moved' },
  { name: 'READONLY is of no use on another shard', self: a, slot: 100, bits: readonlyMode, code: 'moved' },
  { name: 'ASKING is of no use where nothing is imported', self: a, slot: 100, bits: asking, code: 'moved' },
  { name: 'a replica sends reads to its master', self: r, slot: 5, code: 'moved' },
  { name: 'a replica sends writes to its master, READONLY or not', self: r, slot: 5, bits: write | readonlyMode, code: 'moved' },
  { name: 'a replica serves reads of a READONLY connection', self: r, slot: 5, bits: readonlyMode, code: 'execute' },
  { name: 'a replica that has not attached serves no reads', self: r, slot: 5, bits: readonlyMode, changes: { servesReplicaReads: false }, code: 'masterDown' },
  { name: 'a replica sends READONLY reads of other shards away', self: r, slot: 150, bits: readonlyMode, code: 'moved' },
  { name: 'a node outside its topology owns nothing', self: stranger, slot: 5, bits: readonlyMode, code: 'moved' },
  { name: 'a node that does not know itself owns nothing', self: undefined, slot: 5, code: 'moved' },
  { name: 'a promoted replica serves its shard before the topology says so', self: r, slot: 5, bits: write, changes: { actingAsMaster: true }, code: 'execute' },
  { name: 'a promoted replica does not serve other shards', self: r, slot: 150, bits: write, changes: { actingAsMaster: true }, code: 'moved' },
  { name: 'a master that the fence deposed closes what came by its LB address', self: a, slot: 5, bits: write, changes: { actingAsMaster: false }, code: 'movedAndClose' },
  { name: 'a deposed master serves no READONLY reads either', self: a, slot: 5, bits: readonlyMode, changes: { actingAsMaster: false }, code: 'masterDown' },
  { name: 'a deposed master without LB address knows nowhere to send clients', self: b, slot: 150, changes: { actingAsMaster: false }, code: 'unserved' },
  { name: 'a deposed master in the internal view knows nowhere to send clients', self: a, slot: 5, changes: { actingAsMaster: false, view: 'internal' }, code: 'unserved' },
  { name: 'a demoted node closes what came by its former LB address', self: r, slot: 5, bits: write, changes: { formerLb: lbA }, code: 'movedAndClose' },
  { name: 'a demoted node keeps connections it sends to another shard', self: r, slot: 150, bits: write, changes: { formerLb: lbA }, code: 'moved' },
  { name: 'a node removed from the topology closes what came by its former LB address', self: stranger, slot: 5, changes: { formerLb: lbA }, code: 'movedAndClose' },
]; // prettier-ignore
for (const { name, self, slot, bits, changes, code } of cases) {
  test(name, () => assert.equal(nameOf(route(facts(self, changes), slot, bits ?? 0)), code));
}

test('before any topology every keyed command finds nobody', () => {
  const before = { ...facts(a), topology: Topology.uninitialized(a as NodeId) };
  assert.equal(route(before, 5, write), routeCodes.unserved);
  assert.equal(route(before, noSlot, write), routeCodes.execute);
});

const migrating: readonly [string, string, number, number, keyof typeof routeCodes][] = [
  ['a slot that has left is sent after, reads too', a, migrationBits.migrated, 0, 'moved'],
  ['a slot about to leave takes no writes', a, migrationBits.writeForbidden, write, 'tryAgain'],
  ['a slot about to leave serves reads', a, migrationBits.writeForbidden, 0, 'execute'],
  ['a slot that has left answers MOVED, not TRYAGAIN', a, migrationBits.migrated | migrationBits.writeForbidden, write, 'moved'],
  ['a slot being received is for ASKING alone', b, migrationBits.importing, asking | write, 'execute'],
  ['a slot being received sends others away', b, migrationBits.importing, write, 'moved'],
  ['a slot that was received serves anyone', b, migrationBits.imported, write, 'execute'],
]; // prettier-ignore
for (const [name, self, state, bits, code] of migrating) {
  test(name, () => {
    const slotBits = new Uint8Array(slotCount);
    slotBits[5] = state;
    const migration = { bits: slotBits, destinations: new Map([[5, { host: 'dst', port: 9 }]]) };
    const with5 = facts(self, { migration });
    assert.equal(nameOf(route(with5, 5, bits)), code);
    assert.equal(nameOf(route(with5, 6, bits)), nameOf(route(facts(self), 6, bits)));
    if ((state & migrationBits.migrated) !== 0) assert.deepEqual(redirectTarget(with5, 5), { host: 'dst', port: 9 });
  });
}

test('the target is the LB address where there is one, and internal in the internal view', () => {
  assert.deepEqual(redirectTarget(facts(b), 5), lbA);
  assert.deepEqual(redirectTarget(facts(b, { view: 'internal' }), 5), { host: '10.0.0.1', port: 1 });
  assert.deepEqual(redirectTarget(facts(a), 150), { host: '10.0.0.2', port: 2 });
  assert.equal(redirectTarget(facts(a), 5000), undefined);
});

function command(keys: CommandDefinition['keys'], keyIndexes?: CommandDefinition['keyIndexes']): CommandDefinition {
  return {
    ...{ name: 'x', arity: -1, flags: [], keys, group: '', since: '', complexity: '', summary: '' },
    ...(keyIndexes === undefined ? {} : { keyIndexes }),
    parse: () => undefined,
    run: () => undefined,
  };
}

test('the slot of a request comes from its key arguments', () => {
  const one = command({ first: 1, last: 1, step: 1 });
  const all = command({ first: 1, last: -1, step: 1 });
  const pairs = command({ first: 1, last: -1, step: 2 });
  const slot = (definition: CommandDefinition, ...args: string[]): number =>
    slotOfRequest(definition, Request.of(...args));
  assert.equal(slot(command(noKeys), 'ping', 'foo'), noSlot);
  assert.equal(slot(one, 'get', 'foo'), 12182);
  assert.equal(slot(one, 'set', 'foo', 'bar'), 12182);
  assert.equal(slot(all, 'del', 'foo', 'bar'), severalSlots);
  assert.equal(slot(all, 'del', '{foo}1', '{foo}2', 'foo'), 12182);
  assert.equal(slot(pairs, 'mset', '{foo}1', 'bar', '{foo}2', 'baz'), 12182);
  assert.equal(slot(pairs, 'mset', 'foo', '1', 'bar', '2'), severalSlots);
  const numbered = command(noKeys, () => [2, 3]);
  assert.equal(slot(numbered, 'eval', '2', '{foo}', 'foo'), 12182);
  assert.equal(slot(numbered, 'eval', '2', 'bar', 'foo'), severalSlots);
  assert.equal(
    slot(
      command(noKeys, () => []),
      'eval',
      '0',
    ),
    noSlot,
  );
});

const session = { readonlyMode: false, asking: false } as Session;
const get = command({ first: 1, last: 1, step: 1 });

test('the router answers with the error line and says when to close', () => {
  const answer = (from: RoutingFacts, key: string, isWrite = false): [string | undefined, boolean] => {
    const router = new SlotRouter(from);
    return [router.route(get, Request.of('get', key), session, isWrite), router.closes];
  };
  const whole = `${a} h 1 master - 0-16383 ::1 7000\n${r} h 2 slave ${a}`;
  assert.deepEqual(answer(facts(a, {}, whole), 'foo', true), [undefined, false]);
  assert.deepEqual(answer(facts(r, {}, whole), 'foo'), ['MOVED 12182 ::1:7000', false]);
  assert.deepEqual(answer(facts(r, { formerLb: { host: '0::1', port: 7000 } }, whole), 'foo'), [
    'MOVED 12182 ::1:7000',
    true,
  ]);
  assert.deepEqual(answer(facts(a), 'foo'), ['CLUSTERDOWN Hash slot not served', false]);
  const router = new SlotRouter(facts(a));
  assert.equal(
    router.route(command({ first: 1, last: -1, step: 1 }), Request.of('del', 'foo', 'bar'), session, true),
    "CROSSSLOT Attempted to access keys that don't hash to the same slot",
  );
});

test('the marks of the connection are looked at', () => {
  const router = new SlotRouter(facts(r, {}, `${a} h 1 master - 0-16383\n${r} h 2 slave ${a}`));
  assert.equal(router.route(get, Request.of('get', 'foo'), { ...session, readonlyMode: true }, false), undefined);
  assert.equal(
    router.route(get, Request.of('get', 'foo'), { ...session, readonlyMode: true }, true),
    'MOVED 12182 h:1',
  );
});

test('after a close the next answer does not close', () => {
  const router = new SlotRouter(facts(a, { actingAsMaster: false }, `${a} h 1 master - 0-16383 lb 7\n`));
  router.route(get, Request.of('get', 'foo'), session, false);
  assert.equal(router.closes, true);
  router.route(command(noKeys), Request.of('ping'), session, false);
  assert.equal(router.closes, false);
});

test('a client that has to leave is told the new master, or nothing when there is none to name', () => {
  const old = new SlotRouter(facts(a, { actingAsMaster: false }, `${a} h 1 master - 0-16383 lb 7\n`));
  assert.equal(old.redirection(get, Request.of('get', 'foo')), 'MOVED 12182 lb:7');
  assert.equal(old.redirection(get, Request.of('get', 'foo'), { host: 'b', port: 9 }), 'MOVED 12182 b:9');
  assert.equal(old.redirection(command(noKeys), Request.of('dbsize')), 'MOVED 0 lb:7', 'it came for the shard');
  const bare = new SlotRouter(facts(a, { actingAsMaster: false }, `${a} h 1 master - 0-16383\n`));
  assert.equal(bare.redirection(get, Request.of('get', 'foo')), undefined);
  assert.equal(bare.redirection(get, Request.of('get', 'foo'), { host: 'b', port: 9 }), 'MOVED 12182 b:9');
  // What was held is not only the own shard's.
  const half = `${a} h 1 master - 0-8191 lb 7\n${b} h 2 master - 8192-16383 lb 8\n`;
  const other = new SlotRouter(facts(a, { actingAsMaster: false }, half));
  assert.equal(other.redirection(get, Request.of('get', 'foo'), { host: 'b', port: 9 }), 'MOVED 12182 lb:8');
  const replica = new SlotRouter(
    facts(b, { actingAsMaster: false }, `${a} h 1 master - 8192-16383 lb 7\n${b} h 2 slave ${a}`),
  );
  assert.equal(replica.redirection(command(noKeys), Request.of('dbsize')), 'MOVED 8192 lb:7');
  const slotless = new SlotRouter(
    facts(a, { actingAsMaster: false }, `${a} h 1 master - lb 7\n${b} h 2 master - 0-16383`),
  );
  assert.equal(slotless.redirection(command(noKeys), Request.of('dbsize')), undefined);
});

test('routing to here allocates nothing worth mentioning', () => {
  const here = facts(a, {}, `${a} h 1 master - 0-16383 lb 7`);
  const router = new SlotRouter(here);
  const request = Request.of('get', 'some{tag}key');
  const calls = 20_000;
  const bytesOfRound = (): number => {
    const before = process.memoryUsage().heapUsed;
    let executed = 0;
    for (let i = 0; i < calls; i++) if (router.route(get, request, session, true) === undefined) executed++;
    const used = process.memoryUsage().heapUsed - before;
    assert.equal(executed, calls);
    return used;
  };
  bytesOfRound(); // compiles
  // One object per call would be 16 bytes at least; the highest round is left out, for work of the runtime itself.
  const rounds = Array.from({ length: 7 }, bytesOfRound).sort((left, right) => left - right);
  assert.ok((rounds[5] ?? 0) < calls * 4, `bytes used in each round: ${rounds.join(' ')}`);
});
