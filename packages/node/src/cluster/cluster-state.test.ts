import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FatalError, InvariantError, OperationError, silentLogger } from '@holdfast/base';
import type { NodeId, Slot, SlotRange, Version } from '@holdfast/topology';
import { interfaceAddresses, nodesFile } from '../net/nodes-file.ts';
import { ClusterState, type ClusterEnvironment, type TopologyRole } from './cluster-state.ts';
import { ownHosts } from './own-hosts.ts';

// Six nodes, an LB address on one master and on one replica (the shape of apache/kvrocks issue 3089).
const id = (n: number): NodeId => `07c37dfeb235213a872192d90877d0cd55635b9${n}` as NodeId;
const sixNodes = [
  `${id(1)} 127.0.0.1 30001 master - 0-5460 192.168.1.100 6379`,
  `${id(2)} 127.0.0.1 30002 master - 5461-10922`,
  `${id(3)} 127.0.0.1 30003 master - 10923-16383`,
  `${id(4)} 127.0.0.1 30004 slave ${id(1)} 192.168.1.101 6379`,
  `${id(5)} 127.0.0.1 30005 slave ${id(2)}`,
  `${id(6)} 127.0.0.1 30006 slave ${id(3)}`,
].join('\n');
const one = 1n as Version;
const two = 2n as Version;

class FakeFile {
  readonly path = '/data/nodes.conf';
  text: string | undefined;
  writes = 0;
  error: Error | undefined;

  load(): string | undefined {
    return this.text;
  }

  save(text: string): void {
    if (this.error) throw this.error;
    this.text = text;
    this.writes++;
  }

  remove(): void {
    if (this.error) throw this.error;
    this.text = undefined;
  }
}

interface World {
  readonly state: ClusterState;
  readonly file: FakeFile;
  readonly roles: TopologyRole[];
  persists: boolean;
  empty: boolean;
  roleError: Error | undefined;
}

function world(port = 30001, file = new FakeFile(), changes: Partial<ClusterEnvironment> = {}): World {
  const made = {
    file,
    roles: [] as TopologyRole[],
    persists: true,
    empty: true,
    roleError: undefined,
  } as unknown as World;
  const environment: ClusterEnvironment = {
    file,
    logger: silentLogger,
    port,
    ownHosts: () => ['127.0.0.1'],
    persists: () => made.persists,
    databaseIsEmpty: () => made.empty,
    ...changes,
  };
  const state = ClusterState.open(environment);
  state.onTopologyChange((role) => {
    if (made.roleError) throw made.roleError;
    made.roles.push(role);
  });
  return Object.assign(made, { state });
}

const slots = (start: number, stop: number): SlotRange => ({ start: start as Slot, stop: stop as Slot });

test('the six-node topology is taken, kept in nodes.conf and back after a restart', () => {
  const first = world();
  assert.equal(first.state.setNodes(sixNodes, one, false), undefined);
  assert.equal(first.state.topology.selfId, id(1));
  assert.equal(first.state.topology.nodeLines().join('\n'), sixNodes);
  const again = world(30001, first.file);
  assert.equal(again.state.topology.version, 1n);
  assert.equal(again.state.topology.selfId, id(1));
  assert.equal(again.state.topology.nodeLines().join('\n'), sixNodes);
  assert.equal(again.state.announce(), undefined);
  assert.deepEqual(again.roles, [{ role: 'master' }]);
});

test('on a real disk too, with nothing left beside nodes.conf, and RESET removes it', () => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-nodes-'));
  try {
    const file = nodesFile(dir) as unknown as FakeFile;
    const first = world(30004, file);
    assert.equal(first.state.setNodes(sixNodes, one, false), undefined);
    assert.deepEqual(readdirSync(dir), ['nodes.conf']);
    assert.match(readFileSync(join(dir, 'nodes.conf'), 'latin1'), /^# 6 nodes, LB addresses last\nversion 1\nid .*4\n/);
    const again = world(30004, file);
    assert.equal(again.state.topology.nodeLines().join('\n'), sixNodes);
    assert.deepEqual(again.state.role, {
      role: 'replica',
      masterId: id(1),
      masterEndpoint: { host: '127.0.0.1', port: 30001 },
    });
    assert.equal(again.state.reset(), undefined);
    assert.deepEqual(readdirSync(dir), []);
    writeFileSync(join(dir, 'nodes.conf'), 'version 1\nnode x\n');
    assert.throws(() => world(30004, file), /nodes\.conf, line 2: Invalid cluster nodes info/);
    assert.equal(readFileSync(join(dir, 'nodes.conf'), 'latin1'), 'version 1\nnode x\n');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

const a = 'a'.repeat(40);
const b = 'b'.repeat(40);
const refusals: readonly [string, string][] = [
  ['', 'Invalid cluster nodes info'],
  [`${a} h 1 master`, 'Invalid cluster nodes info'],
  [`${a}x h 1 master -`, 'Invalid cluster node id'],
  [`${a} h 1x master -`, 'Invalid cluster node port'],
  [`${a} h 1 leader -`, 'Invalid cluster node role'],
  [`${a} h 1 slave -`, 'Invalid cluster node id'],
  [`${a} h 1 slave ${b} 5`, 'Invalid cluster nodes info'],
  [`${a} h 1 master - 5 ${b} h 2 master -`, 'Invalid nodes definition: Missing newline between node entries.'],
  [`${a} h 1 master - 16384`, 'Slot is out of range'],
  [`${a} h 1 master - 5\r\n`, 'Slot is out of range'],
  [`${a} h 1 master - 5\n${b} h 2 master - 5`, 'Slot distribution is overlapped'],
  [`${a} h 1 master - 5 lb`, 'Invalid cluster nodes info: 1: LB host lb without a port'],
  [`${a} h 1 master - 5 lb 0`, 'Invalid cluster nodes info: 1: LB port 0 is not in 1..65535'],
  [`${a} h 1 master - 5 lb 65536`, 'Invalid cluster nodes info: 1: LB port 65536 is not in 1..65535'],
  [`${a} h 1 master - 5 lb 7 8`, 'Invalid cluster nodes info: 1: 8 after the LB port, which ends a node line'],
  [`${a} h 1 master - 5 -lb 7`, 'Invalid cluster nodes info: 1: LB host -lb is neither an IPv4 or IPv6 address nor a host name'],
  [`${a} h 1 master - 5 lb 7\n${b} h 2 master - 6 lb 7`, 'Invalid cluster nodes info: 2: LB address lb 7 is already used by another shard in line 1'],
  [`${a} h 1 master - 5 lb 7\n${b} h 2 slave ${a} lb 7`, 'Invalid cluster nodes info: 2: LB address lb 7 is already used by the master of the shard in line 1'],
  [`${a} h 1 master - 5 h 2\n${b} h 2 slave ${a}`, `Invalid cluster nodes info: 1: LB address h 2 is the internal address of node ${b}`],
]; // prettier-ignore
for (const [payload, reason] of refusals) {
  test(`refused, topology and file untouched: ${JSON.stringify(payload.replaceAll(/a{40}|b{40}/g, 'ID'))}`, () => {
    const { state, file, roles } = world();
    assert.equal(state.setNodes(sixNodes, one, false), undefined);
    const before = { topology: state.topology, text: file.text, writes: file.writes, told: roles.length };
    for (const force of [false, true]) assert.equal(state.setNodes(payload, two, force), `ERR ${reason}`);
    assert.deepEqual({ topology: state.topology, text: file.text, writes: file.writes, told: roles.length }, before);
    assert.equal(state.topology, before.topology);
  });
}

test('versions decide: lower refused, equal not even parsed, higher by any amount taken, FORCE goes back', () => {
  const { state } = world();
  const set = (version: bigint, force = false, payload = sixNodes): string | undefined =>
    state.setNodes(payload, version as Version, force);
  assert.equal(set(-1n), 'ERR Invalid cluster version');
  assert.equal(set(-1n, true), 'ERR Invalid cluster version');
  assert.equal(set(0n), undefined);
  assert.equal(set(900n), undefined);
  assert.equal(set(899n), 'ERR Invalid cluster version');
  assert.equal(set(900n, false, 'nonsense'), undefined);
  assert.equal(state.topology.nodes.length, 6);
  assert.equal(set(900n, true, `${id(1)} 127.0.0.1 30001 master - 5`), undefined);
  assert.equal(state.topology.nodes.length, 1);
  assert.equal(set(3n, true), undefined);
  assert.equal(state.topology.version, 3n);
});

test('slots that a new topology does not name lose their owner, after a restart too', () => {
  const { state, file } = world();
  state.setNodes(sixNodes, one, false);
  state.setNodes(`${id(1)} 127.0.0.1 30001 master - 0-99`, two, false);
  assert.equal(state.topology.ownerOf(100 as Slot), undefined);
  assert.equal(world(30001, file).state.topology.ownerOf(100 as Slot), undefined);
});

test('a node recognises itself by address only while it has no id, or when FORCE is given', () => {
  const { state } = world(30002);
  assert.equal(state.setNodeId(id(5)), undefined);
  assert.equal(state.setNodes(sixNodes, one, false), undefined);
  assert.equal(state.topology.selfId, id(5));
  assert.equal(state.setNodes(sixNodes, one, true), undefined);
  assert.equal(state.topology.selfId, id(2));
  // Without a match the id stays.
  assert.equal(state.setNodes(`${id(1)} elsewhere 30002 master - 5`, two, true), undefined);
  assert.equal(state.topology.selfId, id(2));
  assert.deepEqual(state.role, { role: 'none' });
});

test('a wildcard stands for the addresses of all interfaces', () => {
  const interfaces = (): string[] => ['127.0.0.1', '10.0.0.5', '::1'];
  assert.deepEqual(ownHosts(['10.0.0.5', 'localhost'], interfaces), ['10.0.0.5', 'localhost']);
  assert.deepEqual(ownHosts(['0.0.0.0'], interfaces), ['0.0.0.0', '127.0.0.1', '10.0.0.5', '::1']);
  assert.deepEqual(ownHosts(['::', '127.0.0.1'], interfaces), ['::', '127.0.0.1', '10.0.0.5', '::1']);
  assert.ok(interfaceAddresses().length > 0);
});

test('the role follows the topology', () => {
  const { state, roles } = world(30004);
  state.setNodes(sixNodes, one, false);
  // A failover: the LB address stays with the role.
  const after = sixNodes
    .replace(`${id(1)} 127.0.0.1 30001 master - 0-5460 192.168.1.100 6379`, `${id(1)} 127.0.0.1 30001 slave ${id(4)} 192.168.1.101 6379`)
    .replace(`${id(4)} 127.0.0.1 30004 slave ${id(1)} 192.168.1.101 6379`, `${id(4)} 127.0.0.1 30004 master - 0-5460 192.168.1.100 6379`); // prettier-ignore
  assert.equal(state.setNodes(after, two, false), undefined);
  assert.equal(state.setNodes(`${id(4)} 127.0.0.1 30004 slave ${id(9)}`, 3n as Version, false), undefined);
  assert.equal(state.setNodes(`${id(1)} 127.0.0.1 30001 master -`, 4n as Version, false), undefined);
  assert.deepEqual(roles, [
    { role: 'replica', masterId: id(1), masterEndpoint: { host: '127.0.0.1', port: 30001 } },
    { role: 'master' },
    { role: 'replica', masterId: id(9), masterEndpoint: undefined },
    { role: 'none' },
  ]);
});

test('a demoted node remembers the LB address it was reached by, until it has it again', () => {
  const { state } = world();
  const lb = { host: '192.168.1.100', port: 6379 };
  state.setNodes(sixNodes, one, false);
  assert.equal(state.formerLb, undefined);
  const demoted = `${id(1)} 127.0.0.1 30001 slave ${id(4)} 192.168.1.101 6379\n${id(4)} 127.0.0.1 30004 master - 0-5460 192.168.1.100 6379`;
  state.setNodes(demoted, two, false);
  assert.deepEqual(state.formerLb, lb);
  state.setNodes(`${id(4)} 127.0.0.1 30004 master - 0-5460 192.168.1.100 6379`, 3n as Version, false);
  assert.deepEqual(state.formerLb, lb);
  state.setNodes(sixNodes, 4n as Version, false);
  assert.equal(state.formerLb, undefined);
});

test('a role that could not be taken is an error, and is tried again when the same version is sent again', () => {
  const made = world();
  const { state, roles, file } = made;
  made.roleError = new OperationError('REPLICATION_START', 'no route', { outcome: 'not-applied' });
  const failure = 'ERR failed to set master-replica replication: no route';
  assert.equal(state.setNodes(sixNodes, one, false), failure);
  assert.equal(state.topology.version, 1n);
  assert.ok(file.text?.includes('version 1'));
  assert.equal(state.setNodes('', one, false), failure);
  made.roleError = undefined;
  assert.equal(state.setNodes('', one, false), undefined);
  assert.deepEqual(roles, [{ role: 'master' }]);
  assert.equal(state.setNodes('', one, false), undefined);
  assert.equal(roles.length, 1);
});

test('one listener that fails does not keep the others from hearing; a broken invariant is not caught', () => {
  const { state } = world();
  const heard: bigint[] = [];
  let error: Error = new Error('first');
  state.onTopologyChange(() => {
    throw error;
  });
  state.onTopologyChange((_role, topology) => heard.push(topology.version));
  assert.equal(state.setNodes(sixNodes, one, false), 'ERR failed to set master-replica replication: first');
  assert.deepEqual(heard, [1n]);
  error = new InvariantError('bug');
  assert.throws(() => state.setNodes(sixNodes, two, false), InvariantError);
});

test('when nodes.conf cannot be written nothing changes', () => {
  const { state, file, roles } = world();
  state.setNodes(sixNodes, one, false);
  const before = state.topology;
  file.error = new Error('ENOSPC: no space left on device');
  const failure = 'ERR cannot write /data/nodes.conf: ENOSPC: no space left on device; the topology was not changed';
  assert.equal(state.setNodes(sixNodes, two, false), failure);
  assert.equal(state.setSlot([slots(0, 9)], id(2), two), failure);
  assert.equal(state.setNodeId(id(3)), failure);
  assert.equal(state.topology, before);
  assert.equal(roles.length, 1);
  // What the file holds is not known any more, so the next word from the controller writes it again.
  file.error = undefined;
  const { writes } = file;
  assert.equal(state.setNodes('', one, false), undefined);
  assert.equal(file.writes, writes + 1);
});

test('when nodes.conf cannot be removed the cluster is not reset', () => {
  const { state, file } = world();
  state.setNodes(sixNodes, one, false);
  file.error = new Error('EROFS: read-only file system');
  assert.equal(
    state.reset(),
    'ERR cannot remove /data/nodes.conf: EROFS: read-only file system; the cluster was not reset',
  );
  assert.equal(state.topology.version, 1n);
});

test('SETSLOT moves slots, is written down, and refuses without a trace', () => {
  const { state, file } = world();
  state.setNodes(sixNodes, one, false);
  assert.equal(state.setSlot([slots(0, 9)], id(2), two), undefined);
  assert.equal(state.topology.ownerOf(5 as Slot)?.id, id(2));
  assert.match(file.text ?? '', /30002 master - {2}0-9 5461-10922\n/);
  const { text } = file;
  assert.equal(state.setSlot([slots(0, 9)], id(1), two), 'ERR Invalid cluster version');
  assert.equal(state.setSlot([slots(0, 9)], id(9), 3n as Version), 'ERR No this node in the cluster');
  assert.equal(state.setSlot([slots(0, 9)], id(4), 3n as Version), "ERR The node isn't a master");
  assert.equal(file.text, text);
  assert.equal(state.topology.version, 2n);
  assert.equal(state.topology.nodes.length, 6);
});

test('without persistence nothing is written or read; turned on, the next word is written', () => {
  const made = world();
  made.persists = false;
  made.state.setNodes(sixNodes, one, false);
  assert.equal(made.file.writes, 0);
  made.persists = true;
  assert.equal(made.state.setNodes('', one, false), undefined);
  assert.ok(made.file.text?.includes('version 1'));
  const off = world(30001, made.file, { persists: () => false });
  assert.equal(off.state.topology.initialized, false);
});

test('nodes.conf goes when persistence is turned off, and comes back with it', () => {
  const made = world();
  made.state.setNodes(sixNodes, one, false);
  made.persists = false;
  made.state.persistenceChanged();
  assert.equal(made.file.load(), undefined);
  assert.equal(made.state.topology.version, 1n);
  made.persists = true;
  made.state.persistenceChanged();
  assert.match(made.file.load() ?? '', /version 1/);
});

test('a node that was only told its id starts again with it', () => {
  const first = world();
  assert.equal(first.state.setNodeId(id(3)), undefined);
  assert.equal(first.file.text, `version -1\nid ${id(3)}\n`);
  const again = world(30001, first.file);
  assert.equal(again.state.topology.selfId, id(3));
  assert.equal(again.state.topology.initialized, false);
});

test('a stock file without an own id finds itself by address', () => {
  const file = new FakeFile();
  file.text = `version 4\nid \nnode ${a} 127.0.0.1 30001 master -  0-16383\n`;
  assert.equal(world(30001, file).state.topology.selfId, a);
  assert.equal(file.writes, 0);
});

test('a wrong nodes.conf refuses the start, names file and line, and is left as it is', () => {
  for (const [text, line] of [
    ['', 1],
    [`version 1\nid ${a}\nnode ${a} h 1 master -  0-16384\n`, 3],
    [`version 1\nid ${a}\nnode ${a} h 1 mas`, 3],
  ] as const) {
    const file = new FakeFile();
    file.text = text;
    assert.throws(
      () => world(30001, file),
      (error: unknown) => error instanceof FatalError && error.message.includes(`/data/nodes.conf, line ${line}: `),
    );
    assert.equal(file.text, text);
    assert.equal(file.writes, 0);
  }
});

test('RESET forgets everything, and only an empty database is reset', () => {
  const made = world();
  made.state.setNodes(sixNodes, one, false);
  made.empty = false;
  assert.equal(made.state.reset(), "ERR Can't reset cluster while database is not empty");
  assert.equal(made.state.topology.version, 1n);
  made.empty = true;
  assert.equal(made.state.reset(), undefined);
  assert.equal(made.state.topology.initialized, false);
  assert.equal(made.state.topology.selfId, undefined);
  assert.equal(made.file.text, undefined);
  assert.deepEqual(made.roles.at(-1), { role: 'none' });
  assert.equal(made.state.setNodes(sixNodes, one, false), undefined);
});
